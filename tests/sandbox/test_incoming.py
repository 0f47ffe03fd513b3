"""A tar from a workspace that was made to cost this machine its memory."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from resprout.activities.sandbox.incoming import MOST_SAID, Incoming
from resprout.actors.errors import TooLarge

MB = 1 << 20


class Sent(io.RawIOBase):
    """Pieces, made when they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.rest, self.sent = pieces, b"", 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size and (piece := next(self.pieces, b"")):
            self.rest += piece
        read, self.rest = self.rest[:size], self.rest[size:]
        self.sent += len(read)
        return read


def header(name: str, kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_any_size_is_not_read_into_memory(kind: bytes, tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield header("a", tarfile.REGTYPE, 1) + b"x".ljust(512, b"\0")
        yield header("././@LongLink", kind, 400 * MB)
        yield from (b"a" * 64 * 1024 for _ in range(400 * 16))

    sent = Sent(pieces())
    with pytest.raises(TooLarge, match="a name, or other headers, of more than 64KB"):
        Incoming(1000 * MB).unpack(sent, "x", tmp_path / "out")  # type: ignore[arg-type]

    assert sent.sent < 2 * MOST_SAID


def test_names_as_long_as_a_workspace_has_them_and_content_to_the_bound_arrive(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo(".")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number in range(3):
            entry = tarfile.TarInfo("/".join(f"{number}{'d' * 200}" for _ in range(10)))
            entry.size = MB
            tar.addfile(entry, io.BytesIO(bytes(MB)))
    packed.seek(0)

    incoming = Incoming(3 * MB)
    incoming.unpack(packed, "x", tmp_path)

    assert (incoming.files, incoming.size, incoming.left_out) == (3, 3 * MB, [])
