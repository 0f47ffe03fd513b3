"""What comes out of a container: a tar written by untrusted code, read in memory and never unpacked.

Only plain files beneath the working directory count. Links, devices, pipes and sparse files are refused in words;
two budgets hold however much is sent.
"""

import io
import tarfile
from dataclasses import dataclass, field
from posixpath import normpath

from ..backend import MOST_COLLECTED_BYTES, MOST_COLLECTED_FILES
from ..selection import Selection
from ..spec import leads_out

_KEPT = frozenset({"stdout", "stdout.size", "stderr", "stderr.size", "job/end"})
_LONGEST_ENTRY = 8 << 10  # a header with a long name
_MOST_NAMED = 3


def budget(output: int) -> int:
    """Bytes that are read at most; a stream that is longer is cut there."""
    return MOST_COLLECTED_BYTES + MOST_COLLECTED_FILES * _LONGEST_ENTRY + 2 * output + (1 << 20)


@dataclass
class Harvest:
    kept: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def number(self, name: str) -> int:
        text = self.kept.get(name, b"").strip()
        return int(text) if text.isdigit() and len(text) < 20 else 0

    @property
    def reason(self) -> str:
        if not self.refused:
            return ""
        more = len(self.refused) - _MOST_NAMED
        said = "; ".join(self.refused[:_MOST_NAMED])
        return f"Not collected: {said}{f'; and {more} more' if more > 0 else ''}."


def harvest(sent: bytes, selection: Selection) -> Harvest:
    found = Harvest()
    try:
        with tarfile.open(fileobj=io.BytesIO(sent), mode="r:") as tar:
            while (entry := tar.next()) is not None:
                _take(found, tar, entry, selection)
                if len(found.refused) > MOST_COLLECTED_FILES:
                    break
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError):
        found.refused.append("what comes after it, the list is damaged or too long")
    return found


def _take(found: Harvest, tar: tarfile.TarFile, entry: tarfile.TarInfo, selection: Selection) -> None:
    if entry.name in _KEPT:
        found.kept.setdefault(entry.name, _content(tar, entry))
        return
    path = normpath(entry.name)
    if leads_out(path) or not selection.takes(path):
        return
    if (fault := _fault(found, entry)) is not None:
        found.refused.append(f"`{path[:100]}` {fault}")
        if entry.islnk():
            found.files.pop(normpath(entry.linkname), None)  # the other name of the same file
        return
    found.files[path] = _content(tar, entry)


def _fault(found: Harvest, entry: tarfile.TarInfo) -> str | None:
    if entry.issym():
        return "is a symbolic link"
    if entry.islnk():
        return "is a hard link"
    if not entry.isreg() or entry.issparse():
        return "is no plain file"
    if sum(map(len, found.files.values())) + entry.size > MOST_COLLECTED_BYTES:
        return f"is beyond the {MOST_COLLECTED_BYTES >> 20} MB that are collected"
    if len(found.files) >= MOST_COLLECTED_FILES:
        return f"is beyond the {MOST_COLLECTED_FILES} files that are collected"
    return None


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    if not entry.isreg() or entry.issparse():
        return b""
    file = tar.extractfile(entry)
    return file.read(entry.size) if file is not None else b""
