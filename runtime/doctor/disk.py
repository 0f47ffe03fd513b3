"""Room to write, and who may enter."""

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from .finding import Finding, failure, ok, warning

ENOUGH_BYTES = 5_000_000_000
TOO_FEW_BYTES = 500_000_000
GIGABYTE = 1_000_000_000


def check(data_dir: Path) -> list[Finding]:
    place = existing_parent(data_dir)
    return [_writable(data_dir, place), _room(place), *_shared_memory()]


def existing_parent(path: Path) -> Path:
    """The path itself if it is there. What may not be looked at counts as absent: we could not write there either."""
    path = path.expanduser().absolute()
    while not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where it may not look
        path = path.parent
    return path


def blocked_directory(path: Path, user: str) -> Path | None:
    """The first directory on the way to `path` that this user cannot pass through; None if there is none.

    KeyError if there is no such user. Only the user's own group counts: Postgres is started without others.
    """
    account = pwd.getpwnam(user)
    return closed_directory(path, account.pw_uid, account.pw_gid)


def closed_directory(path: Path, uid: int, gid: int) -> Path | None:
    """As `blocked_directory`, for a user who need not have an account."""
    resolved = path.expanduser().resolve()
    for directory in (*reversed(resolved.parents), resolved):
        if not directory.exists():
            return None  # will be made, and then be passable
        mode = directory.stat()
        if mode.st_uid == uid:
            passable = mode.st_mode & stat.S_IXUSR
        elif mode.st_gid == gid:
            passable = mode.st_mode & stat.S_IXGRP
        else:
            passable = mode.st_mode & stat.S_IXOTH
        if directory.is_dir() and not passable:
            return directory
    return None


def _writable(data_dir: Path, place: Path) -> Finding:
    remedy = "Name another place with --data-dir, or mend its permissions."
    if not place.is_dir():
        return failure("data directory", f"{place} is in the way: it is not a directory", remedy)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".resprout-doctor-"):
            return ok("data directory", f"{data_dir} can be written")
    except OSError as error:
        return failure("data directory", f"{place} cannot be written: {error.strerror}", remedy)


def _room(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    found = f"{free / GIGABYTE:.1f} GB free at {place}"
    remedy = "Free some space, or put the data elsewhere with --data-dir."
    if free < TOO_FEW_BYTES:
        return failure("disk", found, remedy)
    return warning("disk", found, remedy) if free < ENOUGH_BYTES else ok("disk", found)


def _shared_memory() -> list[Finding]:
    """How large it is. That it is there at all is the kernel check's to say."""
    path = Path("/dev/shm")
    if not os.access(path, os.W_OK):
        return []
    free = shutil.disk_usage(path).free
    found = f"{free / GIGABYTE:.1f} GB free in /dev/shm"
    if free < TOO_FEW_BYTES:
        remedy = "Ray wants more: mount it larger, or give --shm-size=1g to Docker."
        return [warning("shared memory", found, remedy)]
    return [ok("shared memory", found)]
