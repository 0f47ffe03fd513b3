"""The working directory inside, reached from outside through the init process of the sandbox.

Files are put there before the program starts and read after all its processes are gone; what is read is hostile.
"""

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from ....actors.errors import Rejected
from ..collecting import Collected, collect
from .profile import WORK


def put(init: int, files: Mapping[str, bytes], owner: int | None) -> None:
    root = _open(init)
    try:
        with _acting_as(owner):
            for path, content in files.items():
                _put(root, path, content)
    except OSError as error:
        raise Rejected(
            f"`files` do not fit into the sandbox: {error.strerror}. Give it more with `limits: {{disk: …}}`, or put "
            "in less."
        ) from None
    finally:
        os.close(root)


def _put(root: int, path: str, content: bytes) -> None:
    *folders, name = [step for step in path.split("/") if step not in ("", ".")]
    opened = [root]
    try:
        for folder in folders:
            with suppress(FileExistsError):  # of a file before
                os.mkdir(folder, 0o755, dir_fd=opened[-1])
            opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=opened[-1])
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
    finally:
        for folder_fd in opened[1:]:
            os.close(folder_fd)


@contextmanager
def _acting_as(owner: int | None) -> Iterator[None]:
    """Root is nobody inside, and nobody cannot own files. It holds for this thread's files only."""
    if owner is None:
        yield
        return
    libc = ctypes.CDLL(None)
    before = libc.setfsgid(owner), libc.setfsuid(owner)
    try:
        yield
    finally:
        libc.setfsuid(before[1])
        libc.setfsgid(before[0])


def take(init: int, patterns: Sequence[str], owner: int | None) -> Collected:
    root = _open(init)
    try:
        with _acting_as(owner):
            return collect(root, patterns)
    finally:
        os.close(root)


def _open(init: int) -> int:
    return os.open(f"/proc/{init}/root{WORK}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
