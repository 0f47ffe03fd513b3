"""What is in an archive that somebody made to do harm, read so that it does none.

The invariant: nothing is unpacked before all of it was looked at, and no more is ever unpacked than the bounds here,
whatever the archive says of itself. A tar is read as a stream through a counter, so a bomb ends where the bound is; a
zip may lie about sizes, but no more of a member is read than it says.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

from ..place import place
from ..tool import BadArguments, ToolError
from ..workspace import LARGEST, MB

MOST_MEMBERS = 5_000
MOST_TOTAL = 128 * MB
MOST_RATIO = 200  # of what is unpacked to the archive, beyond the first megabyte

Kind = Literal["zip", "tar", "gz", "bz2", "xz"]
_ENDINGS: dict[str, Kind] = {
    ".tar.gz": "gz",
    ".tgz": "gz",
    ".tar.bz2": "bz2",
    ".tar.xz": "xz",
    ".tar": "tar",
    ".zip": "zip",
}
_MAGIC: dict[bytes, Kind] = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}


@dataclass(frozen=True)
class Member:
    path: str
    size: int
    is_folder: bool
    read: Callable[[], bytes]


class Counted:
    """A stream that ends with an error where the bound is."""

    def __init__(self, stream: BinaryIO, archive: str, room: int) -> None:
        self._stream = stream
        self._archive = archive
        self._room = room

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._room + 1))
        self._room -= len(data)
        if self._room < 0:
            raise _grows(self._archive)
        return data


def kind_by_name(path: str) -> Kind:
    for ending, kind in _ENDINGS.items():
        if path.lower().endswith(ending):
            return kind
    raise BadArguments(
        f"`{path}` does not say a format that is known: call it .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz."
    )


def compressed(data: bytes, kind: Kind) -> bytes:
    match kind:
        case "gz":
            return gzip.compress(data, mtime=0)
        case "bz2":
            return bz2.compress(data)
        case "xz":
            return lzma.compress(data)
        case _:
            return data


def members(file: BinaryIO, path: str) -> Iterator[Member]:
    """One after the other; each is read before the next is asked for. By what the file is, not by its name."""
    beginning = file.read(6)
    packed = file.seek(0, 2)
    file.seek(0)
    room = min(MOST_TOTAL, packed * MOST_RATIO + MB)
    kind: Kind = next((kind for magic, kind in _MAGIC.items() if beginning.startswith(magic)), "tar")
    with _told(path):
        yield from _counted(_zipped(file, path) if kind == "zip" else _tarred(file, path, kind, room), path, room)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
        raise ToolError(f"`{path}` is no archive that can be read ({error}): make it again.") from None
    except (NotImplementedError, ValueError, UnicodeError, LookupError) as error:
        raise ToolError(
            f"`{path}` is an archive of a kind that is not known here ({error}): make another one."
        ) from None


def _counted(found: Iterator[Member], path: str, room: int) -> Iterator[Member]:
    for number, member in enumerate(found, 1):
        room -= member.size
        if room < 0 or member.size > LARGEST:
            raise _grows(path)
        if number > MOST_MEMBERS:
            raise ToolError(f"`{path}` has more than {MOST_MEMBERS:,} members: unpack it in the sandbox.")
        yield member


def _grows(path: str) -> ToolError:
    return ToolError(
        f"`{path}` grows too much: beyond {MOST_TOTAL // MB} MB, {MOST_RATIO} times its size, or {LARGEST // MB} MB "
        "for one file. Unpack it in the sandbox."
    )


def _tarred(file: BinaryIO, path: str, kind: Kind, room: int) -> Iterator[Member]:
    opened: dict[str, Callable[[BinaryIO], object]] = {"gz": _gunzipped, "bz2": bz2.BZ2File, "xz": lzma.LZMAFile}
    stream = cast(BinaryIO, opened[kind](file)) if kind in opened else file
    # Headers count too, and each member costs one or some.
    counted = Counted(stream, path, room + MOST_MEMBERS * 2_048)
    with tarfile.open(fileobj=counted, mode="r|") as tarred:  # type: ignore[call-overload]  # it only needs `read`
        for header in tarred:
            if not (header.isreg() or header.isdir()) or header.issparse():
                raise _harmful(path, header.name, "a link, a device or the like")
            yield Member(
                _name(path, header.name),
                header.size if header.isreg() else 0,
                header.isdir(),
                _of_tar(path, tarred, header),
            )


def _gunzipped(file: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=file)


def _of_tar(path: str, tarred: tarfile.TarFile, header: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with _told(path):
            opened = tarred.extractfile(header)
            return opened.read() if opened is not None else b""

    return read


def _zipped(file: BinaryIO, path: str) -> Iterator[Member]:
    with zipfile.ZipFile(file) as zipped:
        for header in zipped.infolist():
            kind = stat.S_IFMT(header.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _harmful(path, header.filename, "a link, a device or the like")
            if header.flag_bits & 1:
                raise ToolError(f"`{header.filename}` in `{path}` is encrypted: unpack it in the sandbox.")
            yield Member(_name(path, header.filename), header.file_size, header.is_dir(), _of_zip(path, zipped, header))


def _of_zip(path: str, zipped: zipfile.ZipFile, header: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with _told(path), zipped.open(header) as opened:
            return opened.read(header.file_size + 1)

    return read


def _name(path: str, name: str) -> str:
    """One that can be meant, beneath the folder."""
    try:
        where = place(name)
    except BadArguments:
        raise _harmful(path, name, "a name that leads out, or that no file may have here") from None
    if where.absolute:
        raise _harmful(path, name, "a name that leads out")
    return where.path


def _harmful(path: str, name: str, what: str) -> ToolError:
    return ToolError(f"`{path}` is not unpacked: {name[:200]!r} in it is {what}. Ask for an archive of plain files.")


def checked(found: Iterator[Member], path: str) -> list[Member]:
    """All of them, each at a place of its own."""
    every = list(found)
    seen: set[str] = set()
    folders: set[str] = set()
    for member in every:
        parts = member.path.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + member.is_folder))
        if not member.is_folder and member.path in seen:
            raise _harmful(path, member.path, "there twice")
        seen.update([] if member.is_folder else [member.path])
    both = sorted(seen & folders)
    if both:
        raise _harmful(path, both[0], "a file and a folder")
    return every
