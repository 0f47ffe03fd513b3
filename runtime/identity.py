"""Who acts when a command is run or a client is used: the user of this machine, as the operating system says."""

import getpass
import os


def user() -> str:
    return f"user:{user_name()}"


def user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return f"uid-{os.getuid()}"
