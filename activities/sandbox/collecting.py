"""Reads the result files of untrusted code.

The invariant: nothing outside the directory is ever read, and no more than the budgets. Every step of a path is
opened beneath the one before, never through a link; only regular files with a single name count, and opening one
cannot block. What does not count is left out, with a word about it.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from .backend import MOST_COLLECTED_BYTES, MOST_COLLECTED_FILES
from .selection import Selection

DEEPEST = 32
MOST_LOOKED_AT = 100_000  # entries of directories

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


@dataclass
class Collected:
    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)  # sentences
    room: int = MOST_COLLECTED_BYTES
    looked_at: int = 0

    def leave_out(self, path: str, why: str) -> None:
        if len(self.left_out) < 20:
            self.left_out.append(f"`{path[:200]}` was left out: {why}.")


def collect(root: int, patterns: Sequence[str]) -> Collected:
    """Of the open directory `root`."""
    collected = Collected()
    if patterns:
        wanted = Selection(patterns)
        for path, name, folder in _walk(root, "", wanted, collected, 0):
            if wanted.takes(path):
                _take(path, name, folder, collected)
    return collected


def _walk(
    folder: int, above: str, wanted: Selection, collected: Collected, depth: int
) -> Iterator[tuple[str, str, int]]:
    for name in _names(folder, collected):
        path = above + name
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:
            yield path, name, folder
            continue
        try:
            if depth < DEEPEST and wanted.may_take_beneath(path):
                yield from _walk(inner, path + "/", wanted, collected, depth + 1)
        finally:
            os.close(inner)


def _names(folder: int, collected: Collected) -> list[str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in islice(entries, MOST_LOOKED_AT - collected.looked_at))
    collected.looked_at += len(names)
    return names


def _take(path: str, name: str, folder: int, collected: Collected) -> None:
    if not path.isprintable():
        collected.leave_out(ascii(path), "its name is not printable")
        return
    try:
        file = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        collected.leave_out(path, "it is a link" if error.errno == errno.ELOOP else f"it cannot be opened ({error})")
        return
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            collected.leave_out(path, "it is no regular file")
        elif about.st_nlink != 1:
            collected.leave_out(path, "it has another name somewhere (a hard link)")
        elif len(collected.files) == MOST_COLLECTED_FILES:
            collected.leave_out(path, f"there are {MOST_COLLECTED_FILES:,} files already")
        elif (content := _read(file, collected.room)) is None:
            collected.leave_out(path, f"with it there would be more than {MOST_COLLECTED_BYTES:,} bytes")
        else:
            collected.room -= len(content)
            collected.files[path] = content
    finally:
        os.close(file)


def _read(file: int, room: int) -> bytes | None:
    """Not as much as its size says: that may change while it is read."""
    content = bytearray()
    while chunk := os.read(file, min(1 << 20, room + 1 - len(content))):
        content += chunk
        if len(content) > room:
            return None
    return bytes(content)
