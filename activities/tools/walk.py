"""What is in a folder and beneath it: in the order of names, links shown but not followed, what is ours left out."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from .opening import FOLDER
from .place import DEEPEST, HIDDEN, Place
from .tool import ToolError
from .workspace import Workspace

MOST_LOOKED_AT = 100_000

Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True)
class Entry:
    path: str
    kind: Kind
    size: int
    modified: datetime

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def depth(self) -> int:
        return self.path.count("/")


def entry(path: str, found: os.stat_result) -> Entry:
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return Entry(path, kind_of(found.st_mode), size, datetime.fromtimestamp(int(found.st_mtime), UTC))


def kind_of(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def walk(workspace: Workspace, where: Place, deepest: int = DEEPEST) -> Iterator[Entry]:
    """A folder comes before what is in it. `deepest` 0: only the folder's own entries."""
    looked_at = 0
    with workspace.folder(where) as folder:
        for found in _walk(folder, "", deepest):
            looked_at += 1
            if looked_at > MOST_LOOKED_AT:
                raise ToolError(f"`{where.path}` has more than {MOST_LOOKED_AT:,} entries: name a folder within it.")
            yield found


def _walk(folder: int, above: str, deeper: int) -> Iterator[Entry]:
    for name in sorted(name for name in os.listdir(folder) if not name.startswith(HIDDEN)):
        try:
            found = _entry(above, name, folder)
        except FileNotFoundError:
            continue  # deleted meanwhile
        yield found
        if found.kind == "folder" and deeper > 0:
            yield from _beneath(folder, name, found.path, deeper)


def _entry(above: str, name: str, folder: int) -> Entry:
    found = entry(above + name, os.stat(name, dir_fd=folder, follow_symlinks=False))
    spelled = name.encode(errors="backslashreplace").decode()
    # A name that is no UTF-8 can be shown, but nobody can say it, in JSON or to us.
    return found if spelled == name else replace(found, path=above + spelled, kind="other")


def _beneath(folder: int, name: str, path: str, deeper: int) -> Iterator[Entry]:
    try:
        inner = os.open(name, FOLDER, dir_fd=folder)
    except OSError:
        return  # deleted meanwhile, made a link, or not ours to see
    try:
        yield from _walk(inner, f"{path}/", deeper - 1)
    finally:
        os.close(inner)
