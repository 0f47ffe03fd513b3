def blocked_directory(path, user):
    return None
