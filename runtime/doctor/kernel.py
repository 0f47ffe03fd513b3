def missing_features():
    return []
