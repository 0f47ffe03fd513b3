"""Tools that look at files: what is there, and what is in it."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from ..place import FilePath, FolderPath, Place, place, reads_path
from ..tool import ToolCall, ToolError, tool
from ..walk import Entry, Kind, entry, walk
from ..workspace import Workspace, as_text
from .globs import Selected, selected
from .patterns import compiled

MOST_READ = 500_000  # in base64, what a result may be
MOST_LINE = 2_000  # characters of a line that is shown
Lines = Annotated[int, Field(ge=1, le=10_000)]


@dataclass
class FileContent:
    path: str
    content: str
    size: int  # of the whole file, in bytes
    truncated: bool


@dataclass
class FileLines:
    path: str
    lines: list[str]
    first: int  # number of the first of them; the first line of the file is 1
    total: int


@dataclass
class Listing:
    path: str
    entries: list[Entry]
    truncated: bool


@dataclass
class TreeText:
    tree: str
    files: int
    folders: int
    truncated: bool


@dataclass
class Hit:
    path: str
    line: int
    text: str


@dataclass
class Hits:
    hits: list[Hit]
    files_searched: int
    truncated: bool


@dataclass
class FileState:
    path: str
    kind: Kind | None  # null: there is nothing
    size: int
    modified: datetime | None


_reads = partial(tool, version="1.0.0", contract="safe-to-retry", permissions=("files.read",), needs=reads_path)


@_reads("files.read")
def read(
    call: ToolCall,
    path: FilePath,
    encoding: Annotated[Literal["utf-8", "base64"], Field(description="base64: for what is no text.")] = "utf-8",
    max_bytes: Annotated[int, Field(ge=1, le=MOST_READ, description="Of a larger file, only the beginning.")] = 262_144,
) -> FileContent:
    """Reads a file. Of a large one it gives the beginning; files.head, files.tail and files.search give other parts."""
    with Workspace(call.workspace).reading(place(path)) as file:
        data = file.read(max_bytes + 1)
        size = max(file.seek(0, 2), len(data))
    data, truncated = data[:max_bytes], len(data) > max_bytes
    if encoding == "base64":
        return FileContent(path, base64.b64encode(data).decode(), size, truncated)
    return FileContent(path, as_text(data, path, is_whole=not truncated), size, truncated)


@_reads("files.head")
def head(
    call: ToolCall,
    path: FilePath,
    lines: Lines = 100,
    start: Annotated[int, Field(ge=1, description="Number of the first line to give.")] = 1,
) -> FileLines:
    """Gives lines of a text file, from the first or from any other one."""
    every = _lines(call, path)
    return FileLines(path, _shown(every[start - 1 : start - 1 + lines]), start, len(every))


@_reads("files.tail")
def tail(call: ToolCall, path: FilePath, lines: Lines = 100) -> FileLines:
    """Gives the last lines of a text file."""
    every = _lines(call, path)
    first = max(len(every) - lines, 0)
    return FileLines(path, _shown(every[first:]), first + 1, len(every))


def _lines(call: ToolCall, path: str) -> list[str]:
    text = Workspace(call.workspace).read_text(path)
    lines = text.split("\n")
    return lines[:-1] if text.endswith("\n") or not text else lines


def _shown(lines: list[str]) -> list[str]:
    return [line if len(line) <= MOST_LINE else line[:MOST_LINE] + "…" for line in lines]


@_reads("files.list")
def list_folder(
    call: ToolCall, path: FolderPath = ".", limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
) -> Listing:
    """Lists what is in one folder: names, kinds, sizes and when each was changed."""
    entries = list(walk(Workspace(call.workspace), place(path), deepest=0))
    return Listing(path, entries[:limit], len(entries) > limit)


@_reads("files.tree")
def tree(
    call: ToolCall,
    path: FolderPath = ".",
    depth: Annotated[int, Field(ge=1, le=20)] = 4,
    limit: Annotated[int, Field(ge=1, le=5_000)] = 500,
) -> TreeText:
    """Draws a folder with all beneath it, as an indented list."""
    drawn: list[str] = []
    files = folders = 0
    for found in walk(Workspace(call.workspace), place(path), deepest=depth - 1):
        files += found.kind == "file"
        folders += found.kind == "folder"
        if len(drawn) < limit:
            drawn.append("  " * found.depth + found.name + {"folder": "/", "link": "@"}.get(found.kind, ""))
    return TreeText("\n".join(drawn), files, folders, truncated=len(drawn) < files + folders)


@_reads("files.glob")
def glob(
    call: ToolCall,
    pattern: Annotated[str, Field(description="As in `src/**/*.py`; `**` is any number of folders.", max_length=1_000)],
    path: FolderPath = ".",
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000,
) -> Selected:
    """Finds files by a pattern of their paths."""
    return selected(Workspace(call.workspace), place(path), [pattern], limit)


@_reads("files.search")
def search(
    call: ToolCall,
    pattern: Annotated[str, Field(description="A regular expression (RE2).", min_length=1, max_length=1_000)],
    path: FolderPath = ".",
    files: Annotated[str, Field(description="Which files: a pattern of their paths.")] = "**",
    ignore_case: bool = False,
    limit: Annotated[int, Field(ge=1, le=2_000)] = 200,
) -> Hits:
    """Finds the lines of text files that match a regular expression, like grep. What is no text is passed over."""
    workspace, where = Workspace(call.workspace), place(path)
    expression = compiled(pattern, ignore_case=ignore_case)
    found, searched = [], 0
    for name in selected(workspace, where, [files], 10_000).paths:
        text = _text_of(workspace, where.inner(name))
        searched += text is not None
        for number, line in enumerate((text or "").split("\n"), 1):
            if expression.search(line):
                found.append(Hit(name, number, line[:MOST_LINE]))
            if len(found) > limit:
                return Hits(found[:limit], searched, truncated=True)
    return Hits(found, searched, truncated=False)


def _text_of(workspace: Workspace, where: Place) -> str | None:
    try:
        return workspace.read_text(where.path)
    except ToolError:
        return None  # no text, too large, or of a kind that is not opened: a search passes it over


@_reads("files.stat")
def stat(call: ToolCall, path: FilePath) -> FileState:
    """Says whether a file or folder exists, its kind, its size and when it was changed."""
    found = Workspace(call.workspace).state(path)
    if found is None:
        return FileState(path, None, 0, None)
    known = entry(path, found)
    return FileState(path, known.kind, known.size, known.modified)


TOOLS = (read, head, tail, list_folder, tree, glob, search, stat)
