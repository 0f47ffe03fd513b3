"""What comes out of a container: a tar written by untrusted code, read in memory and never unpacked.

Only plain files beneath the working directory count. Links, devices, pipes and sparse files are refused in words;
two budgets hold however much is sent.
"""

import io
import tarfile
from dataclasses import dataclass, field
from posixpath import normpath

from ..backend import MOST_COLLECTED_BYTES, MOST_COLLECTED_FILES
from ..collecting import Collected
from ..selection import Selection
from ..spec import leads_out

_KEPT = frozenset({"stdout", "stdout.size", "stderr", "stderr.size", "job/end", "job/large"})
_LONGEST_ENTRY = 8 << 10  # a header with a long name
MOST_LOOKED_AT = 10_000
_HARD_LINK = "it has another name somewhere (a hard link)"


def budget(output: int) -> int:
    """Bytes that are read at most; a stream that is longer is cut there."""
    return MOST_COLLECTED_BYTES + MOST_COLLECTED_FILES * _LONGEST_ENTRY + 2 * output + (1 << 20)


@dataclass
class Harvest:
    kept: dict[str, bytes] = field(default_factory=dict)
    collected: Collected = field(default_factory=Collected)

    def number(self, name: str) -> int:
        text = self.kept.get(name, b"").strip()
        return int(text) if text.isdigit() and len(text) < 20 else 0


def harvest(sent: bytes, selection: Selection) -> Harvest:
    found = Harvest()
    try:
        with tarfile.open(fileobj=io.BytesIO(sent), mode="r:") as tar:
            for _ in range(MOST_LOOKED_AT):
                if (entry := tar.next()) is None:
                    break
                _take(found, tar, entry, selection)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError):
        found.collected.leave_out("what comes after it", "the list of files is damaged or too long")
    for path in map(normpath, found.kept.get("job/large", b"").decode(errors="replace").splitlines()):
        if selection.takes(path):
            found.collected.leave_out(path, f"it has more than {MOST_COLLECTED_BYTES:,} bytes")
    return found


def _take(found: Harvest, tar: tarfile.TarFile, entry: tarfile.TarInfo, selection: Selection) -> None:
    if entry.name in _KEPT:
        found.kept.setdefault(entry.name, _content(tar, entry))
        return
    path, collected = normpath(entry.name), found.collected
    if leads_out(path) or not selection.takes(path):
        return
    other = normpath(entry.linkname)
    if entry.islnk() and collected.files.pop(other, None) is not None:
        collected.leave_out(other, _HARD_LINK)
    if (fault := _fault(collected, path, entry)) is not None:
        collected.leave_out(path, fault)
        return
    collected.files[path] = _content(tar, entry)
    collected.room -= entry.size


def _fault(collected: Collected, path: str, entry: tarfile.TarInfo) -> str | None:
    if not path.isprintable():
        return "its name is not printable"
    if entry.issym():
        return "it is a link"
    if entry.islnk():
        return _HARD_LINK
    if not entry.isreg() or entry.issparse():
        return "it is no regular file"
    if len(collected.files) >= MOST_COLLECTED_FILES:
        return f"there are {MOST_COLLECTED_FILES:,} files already"
    if entry.size > collected.room:
        return f"with it there would be more than {MOST_COLLECTED_BYTES:,} bytes"
    return None


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    if not entry.isreg() or entry.issparse():
        return b""
    file = tar.extractfile(entry)
    return file.read(entry.size) if file is not None else b""
