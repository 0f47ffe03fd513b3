"""Who acts when a command is run or a client is used: the user of this machine, as the operating system says."""

import os
import pwd


def user() -> str:
    return f"user:{user_name()}"


def user_name() -> str:
    """By the process, not by its environment, where anybody can write any name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as in many containers
        return f"uid-{os.getuid()}"
