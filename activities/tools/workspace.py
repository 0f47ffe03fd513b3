"""The files of a run, opened so that whoever else writes there cannot lead a tool elsewhere.

The invariant: every step of a path is opened beneath the one before and never through a link, and what is done is done
to what was opened, not to its name. Only regular files with a single name count: a second name (a hard link) may be
that of a file outside. What is written appears whole or not at all. An absolute place is opened the same way, from `/`.
"""

import os
import shutil
import stat
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from .opening import FILE, FOLDER, NoFile, fitting, told
from .place import HIDDEN, Place, place
from .tool import ToolError

MB = 1 << 20
LARGEST = 16 * MB  # that is read or written in one piece


class Workspace:
    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def folder(self, where: Place, make: bool = False) -> Iterator[int]:
        """The folder itself, open. `make`: with what is missing of it."""
        if not where.absolute:
            self.root.mkdir(parents=True, exist_ok=True)
        current = os.open("/" if where.absolute else self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for depth, part in enumerate(where.parts, 1):
                with told(Place(where.parts[:depth], where.absolute), current):
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(part, dir_fd=current)
                    inner = os.open(part, FOLDER, dir_fd=current)
                os.close(current)
                current = inner
            yield current
        finally:
            os.close(current)

    @contextmanager
    def beside(self, where: Place, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that it is in, open, and its name there."""
        if not where.parts:
            raise ToolError(f"`{where.path}` is a whole file tree: name something in it.")
        with self.folder(Place(where.parts[:-1], where.absolute), make) as folder:
            yield folder, where.parts[-1]

    @contextmanager
    def reading(self, where: Place) -> Iterator[BinaryIO]:
        """A regular file, open."""
        with self.beside(where) as (folder, name), open_regular(folder, name, where) as file:
            yield file

    def read(self, path: str, most: int = LARGEST) -> bytes:
        where = place(path)
        with self.reading(where) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ToolError(f"`{where.path}` is larger than {most:,} bytes: read a part of it with files.head or tail.")
        return data

    def read_text(self, path: str, most: int = LARGEST) -> str:
        return as_text(self.read(path, most), path)

    def has(self, path: str, data: bytes) -> bool:
        """Just this content: an earlier try of the same call wrote it. False also of what cannot be opened: writing
        says why."""
        try:
            return self.read(path) == data
        except ToolError:
            return False

    def write(self, path: str, data: bytes, overwrite: bool = True) -> None:
        if len(data) > LARGEST:
            raise ToolError(f"`{path}` would be larger than {LARGEST:,} bytes: write it in several files.")
        with self.replacing(place(path), overwrite) as file:
            file.write(data)

    @contextmanager
    def replacing(self, where: Place, overwrite: bool = True) -> Iterator[BinaryIO]:
        """A new file that takes the place when all is written to it; folders on the way are made."""
        with self.beside(where, make=True) as (folder, name):
            mode = mode_for(folder, name, where)
            temporary = f"{HIDDEN}-{token_hex(8)}"
            try:
                with told(where, folder):
                    with create(folder, temporary, mode) as file:
                        yield file
                    _appear(folder, temporary, name, overwrite)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)

    def state(self, path: str) -> os.stat_result | None:
        """Of the thing itself, also of a link; None: there is nothing."""
        where = place(path)
        if not where.parts:
            with self.folder(where) as folder:
                return os.fstat(folder)
        try:
            with self.beside(where) as (folder, name):
                return state_of(folder, name)
        except NoFile:
            return None

    def make_folder(self, path: str) -> None:
        with self.folder(place(path), make=True):
            pass

    def remove(self, path: str, recursive: bool = False) -> bool:
        """False: there was nothing. A link is removed, not what it leads to."""
        where = place(path)
        found = self.state(path)
        if found is None:
            return False
        with self.beside(where) as (folder, name), told(where, folder):
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=folder)
            elif recursive:
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.rmdir(name, dir_fd=folder)
        return True


def state_of(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextmanager
def open_regular(folder: int, name: str, where: Place) -> Iterator[BinaryIO]:
    with told(where, folder):
        # Opening a device can have effects of its own, so it is looked at first; what counts is what was opened.
        fitting(os.stat(name, dir_fd=folder, follow_symlinks=False), where)
        opened = os.open(name, FILE, dir_fd=folder)
    with os.fdopen(opened, "rb") as file:
        fitting(os.fstat(file.fileno()), where)
        yield file


@contextmanager
def create(folder: int, name: str, mode: int) -> Iterator[BinaryIO]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, mode, dir_fd=folder), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def mode_for(folder: int, name: str, where: Place) -> int:
    """That of the file that is replaced, which must be one that may be."""
    found = state_of(folder, name)
    if found is None:
        return 0o644
    fitting(found, where)
    return stat.S_IMODE(found.st_mode) & 0o777


def _appear(folder: int, temporary: str, name: str, overwrite: bool) -> None:
    if overwrite:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:  # a link is made only where there is nothing, in one step
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)


def as_text(data: bytes, path: str, is_whole: bool = True) -> str:
    """`is_whole`: else the last character may be cut, and is left out."""
    try:
        return getincrementaldecoder("utf-8")().decode(data.removeprefix(BOM_UTF8), final=is_whole)
    except UnicodeDecodeError as error:
        raise ToolError(
            f"`{path}` is not text in UTF-8 (byte {error.start}): read it with `encoding: base64`, or ask hash.file."
        ) from None
