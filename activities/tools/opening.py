"""How the files of a workspace are opened, and what is said when they cannot be."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .place import Place
from .tool import ToolError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC

_SAID = {
    errno.ENOENT: "does not exist: see what is there with files.list",
    errno.EEXIST: "exists already: say `overwrite: true`, or choose another name",
    errno.ELOOP: "is a link, and links are not followed: name the file that it leads to",
    errno.ENOTDIR: "is no folder",
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTEMPTY: "is not empty: say `recursive: true` to delete what is in it, too",
    errno.EACCES: "may not be opened by the worker's user: choose another file",
    errno.EPERM: "may not be changed by the worker's user: choose another file",
    errno.EROFS: "cannot be written: its file system is read-only",
    errno.ENOSPC: "cannot be written: the disk is full. Delete something first",
    errno.EDQUOT: "cannot be written: the quota is used up. Delete something first",
    errno.EXDEV: "is on another file system: copy it, then delete it",
    errno.EINVAL: "cannot be moved into itself: choose another target",
    errno.ENAMETOOLONG: "has too long a name: choose a shorter one",
}


class NoFile(ToolError):
    """There is nothing at this path."""


@contextmanager
def told(where: Place, folder: int | None = None) -> Iterator[None]:
    """Says what the system refused in a sentence. `folder`: the one that `where` is in, to tell a link by."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        if number == errno.ENOTDIR and folder is not None and where.parts and _is_link(folder, where.parts[-1]):
            number = errno.ELOOP
        said = _SAID.get(number, f"cannot be used: {os.strerror(number) if number else error}")
        kind = NoFile if number == errno.ENOENT else ToolError
        raise kind(f"`{where.path}` {said}.") from None


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def fitting(found: os.stat_result, where: Place) -> None:
    """Only a regular file with one name is read or replaced."""
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        raise ToolError(f"`{where.path}` {_SAID[errno.ELOOP]}.")
    if stat.S_ISDIR(mode):
        raise ToolError(f"`{where.path}` {_SAID[errno.EISDIR]}.")
    if not stat.S_ISREG(mode):
        raise ToolError(f"`{where.path}` is a pipe, a socket or a device: only regular files are opened.")
    if found.st_nlink > 1:
        raise ToolError(
            f"`{where.path}` has {found.st_nlink} names (hard links), so it may be a file outside: make a copy of it "
            "in the sandbox, and use that."
        )
