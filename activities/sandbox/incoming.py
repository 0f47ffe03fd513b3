"""Files from a sandbox on their way to this machine: a tar that untrusted code may have written.

The invariant: nothing outside of where it was asked to is written, nothing follows a link, and no more than the budgets
is taken, of memory neither: what a tar says of a file can be as long as the file. A file has its name when it is whole.
What is no plain file or directory is left out and named.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from secrets import token_hex
from typing import BinaryIO, cast

from ...actors.errors import Rejected, TooLarge
from ...actors.size import format_size
from .outgoing import CHUNK, MOST_FILES
from .spec import leads_out

DEEPEST = 64
MOST_SAID = 64 << 10  # bytes of the headers of one file: its name, and what it links to
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Incoming:
    most: int  # bytes
    files: int = 0
    size: int = 0
    left_out: list[str] = field(default_factory=list)

    def unpack(self, stream: BinaryIO, name: str, target: Path) -> None:
        """As `cp` does: into `target` where it is a directory, else under that name."""
        into = target / name if target.is_dir() else target
        for entry, content, is_top in self._entries(stream):
            if is_top and entry.isdir():
                _make(into)
            elif is_top:
                self._land(into.parent, into.name, entry, content)
            else:
                self._land(into, normpath(entry.name), entry, content)

    def content(self, stream: BinaryIO, path: str) -> bytes:
        """Of one file."""
        for entry, content, _ in self._entries(stream):
            if entry.isreg() and not entry.issparse():
                return b"".join(content)
        raise Rejected(f"`{path}` is no regular file: see what it is by `ls`.")

    def _entries(self, stream: BinaryIO) -> Iterator[tuple[tarfile.TarInfo, Iterator[bytes], bool]]:
        seen, counted = 0, _Counted(stream, self.most)
        try:
            with tarfile.open(fileobj=cast("BinaryIO", counted), mode="r|", errorlevel=0) as tar:
                while (entry := tar.next()) is not None:
                    counted.allow(entry.size)
                    tar.members = []  # type: ignore[attr-defined] # else all are kept while it is open
                    tar.pax_headers = {}
                    seen += 1
                    if seen > MOST_FILES:
                        raise TooLarge(f"there are more than {MOST_FILES:,} files: pack them into one, or copy less.")
                    yield entry, self._content(tar, entry), seen == 1
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise Rejected(f"what the workspace sent is no whole tar: {str(error) or 'it was cut'}.") from None

    def _content(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
        file = tar.extractfile(entry) if entry.isreg() else None
        while file is not None and (chunk := file.read(CHUNK)):
            self.size += len(chunk)
            if self.size > self.most:
                raise TooLarge(f"it is more than {format_size(self.most)}, which is all that the workspace can hold.")
            yield chunk

    def _land(self, root: Path, path: str, entry: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        if (fault := _fault(path, entry)) is not None:
            if len(self.left_out) < 100:
                self.left_out.append(f"`{_shown(path)}` was left out: {fault}.")
            return
        *folders, name = path.split("/")
        try:
            with _opened(root, folders if not entry.isdir() else [*folders, name]) as folder:
                if not entry.isdir():
                    _write(folder, name, 0o755 if entry.mode & 0o111 else 0o644, content)
                    self.files += 1
        except OSError as error:
            reason = "a link or a file is in the way" if isinstance(error, NotADirectoryError) else error.strerror
            raise Rejected(f"{root / path} cannot be written: {reason}.") from None


class _Counted:
    """What is read between two files is no more than the first of them and the headers of the second."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._most = most
        self._left = MOST_SAID

    def allow(self, size: int) -> None:
        self._left = min(size, self._most) + MOST_SAID

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise TooLarge("a file of the workspace has a name, or other headers, of more than 64KB: rename it there.")
        return self._stream.read(size)


def _shown(path: str) -> str:
    return path[:200] if path.isprintable() else ascii(path[:200])


def _fault(path: str, entry: tarfile.TarInfo) -> str | None:
    if leads_out(path) or path == ".":
        return "it leads out of the directory"
    if not path.isprintable():
        return "its name is not printable"
    if entry.issym():
        return "it is a link"
    if entry.islnk():
        return "it has another name in the workspace (a hard link)"
    if not (entry.isreg() or entry.isdir()) or entry.issparse():
        return "it is no regular file"
    return "it lies too deep" if path.count("/") > DEEPEST else None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Rejected(f"{folder} cannot be made: {error.strerror}.") from None


@contextmanager
def _opened(root: Path, folders: list[str]) -> Iterator[int]:
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in folders:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=opened)
            inner = os.open(name, _FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def _write(folder: int, name: str, mode: int, content: Iterator[bytes]) -> None:
    part = f".{token_hex(8)}.part"
    file = os.open(part, _NEW, mode, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            for chunk in content:
                stream.write(chunk)
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        raise
