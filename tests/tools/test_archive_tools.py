"""Tools for archives, and archives that somebody made to do harm."""

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resprout.activities.tools.builtin import archives
from resprout.activities.tools.tool import BadArguments, ToolError
from support.tool_calls import Hands
from support.tool_calls import hands as hands_in

KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]


@pytest.mark.parametrize("kind", KINDS)
async def test_files_packed_are_the_same_unpacked(hands: Hands, kind: str) -> None:
    hands.put("src/a.txt", "a" * 5_000)
    hands.put("src/deep/ü.bin", b"\xff\x00")
    hands.put("src/.hidden", "")

    packed = await hands.use(archives.create, target=f"out/x.{kind}", folder="src")
    again = await hands.use(archives.create, target=f"out/x.{kind}", folder="src")
    listed = await hands.use(archives.list_members, path=f"out/x.{kind}")
    unpacked = await hands.use(archives.extract, path=f"out/x.{kind}", folder="new")
    await hands.use(archives.extract, path=f"out/x.{kind}", folder="new")  # tried again

    assert packed == again
    assert [(one["path"], one["size"]) for one in listed["members"]] == [("a.txt", 5_000), ("deep/ü.bin", 2)]
    assert unpacked == {"folder": "new", "paths": ["a.txt", "deep/ü.bin"], "total": 5_002}
    assert (hands.workspace / "new/deep/ü.bin").read_bytes() == b"\xff\x00"


async def test_an_archive_is_not_unpacked_over_other_files(hands: Hands) -> None:
    hands.put("src/a.txt", "new")
    hands.put("there/a.txt", "old")
    await hands.use(archives.create, target="x.zip", folder="src")

    with pytest.raises(ToolError, match=r"`there/a.txt` exists already: say `overwrite: true`"):
        await hands.use(archives.extract, path="x.zip", folder="there")
    await hands.use(archives.extract, path="x.zip", folder="there", overwrite=True)

    assert hands.text("there/a.txt") == "new"


async def test_what_cannot_be_packed_or_listed_is_said(hands: Hands) -> None:
    hands.put("a.txt", "a")

    with pytest.raises(BadArguments, match=r"does not say a format that is known: call it \.zip"):
        await hands.use(archives.create, target="x.rar")
    with pytest.raises(ToolError, match=r"no file in `.` is like \*.csv"):
        await hands.use(archives.create, target="x.zip", files=["*.csv"])
    with pytest.raises(ToolError, match=r"`a\.txt` is no archive that can be read"):
        await hands.use(archives.list_members, path="a.txt")


def test_permission_is_needed_where_it_reads_and_where_it_writes(hands: Hands) -> None:
    assert hands.needs(archives.extract, path="x.zip", folder="/srv") == [
        "files.read:workspace:x.zip",
        "files.write:/srv",
    ]


def _tar(*headers: tarfile.TarInfo, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tarred:  # type: ignore[call-overload]
        for header in headers:
            tarred.addfile(header, io.BytesIO(b"x" * header.size))
    return out.getvalue()


def _header(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.size = kind, target, size
    return header


def _zip(name: str, data: bytes = b"x", mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        information = zipfile.ZipInfo(name)
        information.external_attr = mode << 16
        zipped.writestr(information, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _lying_zip() -> bytes:
    """It says that its member has one byte."""
    data = bytearray(_zip("a", b"\0" * 3_000_000))
    size = (3_000_000).to_bytes(4, "little")
    return bytes(data.replace(size, (1).to_bytes(4, "little")))


def _zip_of_many() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for number in range(5_001):
            zipped.writestr(f"{number}", b"")
    return out.getvalue()


def _encrypted() -> bytes:
    data = bytearray(_zip("a"))
    for head, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(head) + at] |= 1
    return bytes(data)


def _sparse() -> bytes:
    header = _header("sparse", size=0)
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tarred:
        header.size = 512
        tarred.addfile(header, io.BytesIO(b"1\n0\n1099511627776\n".ljust(512, b"\0")))
    return out.getvalue()


HARMFUL: dict[str, tuple[Callable[[], bytes], str]] = {
    "a name that leads out": (lambda: _tar(_header("../../outside/new.txt")), "a name that leads out"),
    "a zip's name that leads out": (lambda: _zip("../outside/new.txt"), "a name that leads out"),
    "an absolute name": (lambda: _tar(_header("/tmp/resprout-harm")), "a name that leads out"),
    "an absolute name in a zip": (lambda: _zip("/tmp/resprout-harm"), "a name that leads out"),
    "a link": (lambda: _tar(_header("a", tarfile.SYMTYPE, "../outside")), "a link, a device or the like"),
    "a zip's link": (lambda: _zip("a", b"../outside", 0o120777), "a link, a device or the like"),
    "a link that is written through": (
        lambda: _tar(_header("a", tarfile.SYMTYPE, "../outside"), _header("a/new.txt", size=1)),
        "a link, a device or the like",
    ),
    "a hard link": (lambda: _tar(_header("a", tarfile.LNKTYPE, "/etc/passwd")), "a link, a device or the like"),
    "a device": (lambda: _tar(_header("a", tarfile.CHRTYPE)), "a link, a device or the like"),
    "a pipe": (lambda: _tar(_header("a", tarfile.FIFOTYPE)), "a link, a device or the like"),
    "our own files": (lambda: _tar(_header(".resprout/journal/x")), "no file may have here"),
    "one name twice": (lambda: _tar(_header("a"), _header("./a")), "there twice"),
    "a file that is a folder too": (lambda: _tar(_header("a"), _header("a/b")), "a file and a folder"),
    "a bomb": (lambda: gzip.compress(_tar(_header("a", size=15 << 20), _header("b", size=15 << 20))), "grows too much"),
    "a bomb in a zip": (lambda: _zip("a", b"\0" * (17 << 20)), "grows too much"),
    "a bomb of headers": (
        lambda: gzip.compress(_tar(*[_header("a" * 90 + str(i)) for i in range(6_000)])),
        "more than 5,000|grows",
    ),
    "a zip of many": (_zip_of_many, "more than 5,000 members"),
    "a zip that lies": (_lying_zip, "no archive that can be read"),
    "an encrypted zip": (_encrypted, "is encrypted"),
    "a sparse file": (_sparse, "a link, a device or the like|grows too much"),
    "half an archive": (lambda: gzip.compress(_tar(_header("a", size=50_000)))[:40], "no archive that can be read"),
    "nonsense": (lambda: b"PK\x03\x04" + b"\xff" * 100, "no archive that can be read"),
}


@pytest.mark.parametrize("name", HARMFUL)
async def test_a_harmful_archive_is_refused_and_nothing_of_it_is_unpacked(hands: Hands, name: str) -> None:
    make, said = HARMFUL[name]
    hands.put("evil", make())
    tracemalloc.start()

    with pytest.raises(ToolError, match=said):
        await hands.use(archives.extract, path="evil", folder="out")

    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    out = hands.workspace / "out"
    assert not out.exists() or not list(out.rglob("*"))
    assert [path.name for path in (hands.workspace.parent / "outside").iterdir()] == ["secret.txt"]
    assert not Path("/tmp/resprout-harm").exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
async def test_a_damaged_archive_gives_its_files_or_a_sentence(
    tmp_path: Path, kind: str, damage: list[tuple[int, int]]
) -> None:
    hands = hands_in(tmp_path)
    hands.put("src/a.txt", "a" * 300)
    await hands.use(archives.create, target=f"x.{kind}", folder="src", overwrite=True)
    data = bytearray((tmp_path / f"x.{kind}").read_bytes())
    for at, byte in damage:
        data[at % len(data)] = byte
    hands.put("damaged", bytes(data))

    with suppress(ToolError):  # which is one of its two answers
        await hands.use(archives.list_members, path="damaged")
        await hands.use(archives.extract, path="damaged", folder="out", overwrite=True)

    assert {path.name for path in tmp_path.iterdir() if path.suffix == ""} <= {"src", "out", "damaged", ".resprout"}
