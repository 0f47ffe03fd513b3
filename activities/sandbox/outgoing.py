"""Files of this machine on their way into a sandbox, as a tar.

Who copies a directory may not know all that is in it: no link beneath it is followed, and of what is no regular file
nothing is read. What is left out is named.
"""

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...actors.errors import Rejected, TooLarge
from ...actors.size import format_size

CHUNK = 256 << 10
BLOCK = tarfile.BLOCKSIZE
MOST_FILES = 100_000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


@dataclass
class Outgoing:
    most: int  # bytes
    files: int = 0
    size: int = 0
    left_out: list[str] = field(default_factory=list)

    def pack(self, path: Path) -> Iterator[bytes]:
        """A tar with `item`, and last a mark, so that who reads it knows that nothing was cut."""
        if not path.exists():
            raise Rejected(f"{path} is not there: give the path of a file or directory of this machine.")
        opened = path.resolve()  # what was named may be a link
        parent = os.open(opened.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from self._item(parent, opened.name or ".", "item", str(path))
        except OSError as error:
            raise Rejected(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None
        finally:
            os.close(parent)
        yield end()

    def content(self, content: bytes) -> Iterator[bytes]:
        self._count(len(content), "the content")
        yield header("item", len(content), 0o644) + content + padding(len(content))
        yield end()

    def _item(self, folder: int, name: str, called: str, shown: str) -> Iterator[bytes]:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(about.st_mode):
            yield from self._folder(folder, name, called, shown)
        elif stat.S_ISREG(about.st_mode):
            yield from self._file(folder, name, called, shown)
        else:
            why = "a link" if stat.S_ISLNK(about.st_mode) else "no regular file"
            self.left_out.append(f"`{shown}` was left out: it is {why}.")

    def _folder(self, above: int, name: str, called: str, shown: str) -> Iterator[bytes]:
        folder = os.open(name, _FOLDER, dir_fd=above)
        try:
            yield header(called, 0, 0o755, tarfile.DIRTYPE)
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
            for inner in names:
                yield from self._item(folder, inner, f"{called}/{inner}", f"{shown}/{inner}")
        finally:
            os.close(folder)

    def _file(self, folder: int, name: str, called: str, shown: str) -> Iterator[bytes]:
        """As much as it had when it was opened: it may change while it is read."""
        file = os.open(name, _FILE, dir_fd=folder)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                self.left_out.append(f"`{shown}` was left out: it is no regular file any more.")
                return
            self._count(about.st_size, shown)
            mode = 0o755 if about.st_mode & 0o111 else 0o644
            yield header(called, about.st_size, mode, modified=about.st_mtime)
            left = about.st_size
            while left:
                chunk = os.read(file, min(CHUNK, left)) or bytes(min(CHUNK, left))  # it was cut meanwhile
                left -= len(chunk)
                yield chunk
            yield padding(about.st_size)
        finally:
            os.close(file)

    def _count(self, size: int, shown: str) -> None:
        self.files += 1
        self.size += size
        if self.size > self.most:
            raise TooLarge(
                f"with {shown} it would be more than the {format_size(self.most)} that the workspace has room for: "
                "copy less, or create one with a larger `limits.disk`."
            )
        if self.files > MOST_FILES:
            raise TooLarge(f"these are more than {MOST_FILES:,} files: pack them into one, or copy less.")


def header(name: str, size: int, mode: int, kind: bytes = tarfile.REGTYPE, modified: float = 0) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type, entry.mtime = size, mode, kind, int(modified)
    return entry.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def end() -> bytes:
    """The mark, and what ends a tar."""
    return header(".resprout-whole", 0, 0o644) + bytes(2 * BLOCK)
