"""Tools that change files. The contract of each says what a second try does: mostly nothing."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from ..manifest import Permission
from ..once import change_once, move_once
from ..place import FilePath, FolderPath, changes_path, place, reads, writes, writes_path
from ..tool import BadArguments, ToolCall, ToolError, tool
from ..walk import kind_of, walk
from ..workspace import MB, Workspace
from .edits import appended, as_data, edited, preview_append, preview_delete, preview_edit, preview_write

MOST_COPIED = 64 * MB
Content = Annotated[str, Field(max_length=4 * MB, description="What shall be in it.")]
Overwrite = Annotated[bool, Field(description="Take the place of a file that is there already.")]


@dataclass
class Written:
    path: str
    size: int


@dataclass
class Edited:
    path: str
    line: int  # of the first change
    replacements: int


@dataclass
class Copied:
    source: str
    target: str
    files: int


@dataclass
class Deleted:
    path: str
    deleted: bool  # false: there was nothing


def _needs_both(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.source), writes(arguments.target)


def _needs_to_move(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.source), writes(arguments.source), writes(arguments.target)


_writes = partial(tool, version="1.0.0", danger="low", permissions=("files.write",), needs=writes_path)


@_writes("files.write", contract="safe-to-retry", preview=preview_write)
def write(
    call: ToolCall,
    path: FilePath,
    content: Content,
    encoding: Annotated[Literal["utf-8", "base64"], Field(description="How `content` is written.")] = "utf-8",
    overwrite: Overwrite = True,
) -> Written:
    """Writes a file, whole or not at all. Folders on the way are made."""
    workspace, data = Workspace(call.workspace), as_data(content, encoding)
    if overwrite or not workspace.has(path, data):
        workspace.write(path, data, overwrite)
    return Written(path, len(data))


@_writes("files.append", contract="keyed", preview=preview_append)
def append(
    call: ToolCall,
    path: FilePath,
    content: Content,
    newline: Annotated[bool, Field(description="End `content` with a line break if it has none.")] = True,
) -> Written:
    """Adds text at the end of a file, which is made if it is not there. A call adds once, however often it is tried."""
    changed = change_once(
        Workspace(call.workspace), call.key, place(path), lambda data: appended(data, path, content, newline)
    )
    return Written(**changed)


@tool(
    "files.edit",
    version="1.0.0",
    contract="keyed",
    danger="low",
    permissions=("files.read", "files.write"),
    needs=changes_path,
    preview=preview_edit,
)
def edit(
    call: ToolCall,
    path: FilePath,
    old: Annotated[str, Field(min_length=1, max_length=MB, description="The exact text, with all its white space.")],
    new: Annotated[str, Field(max_length=MB, description="What takes its place.")],
    everywhere: Annotated[bool, Field(description="Wherever it occurs; else it must occur once.")] = False,
) -> Edited:
    """Replaces an exact piece of a text file by another one. The piece must occur once, unless you say `everywhere`."""

    changed = change_once(
        Workspace(call.workspace), call.key, place(path), lambda data: edited(data, path, old, new, everywhere)
    )
    return Edited(**changed)


@tool(
    "files.copy",
    version="1.0.0",
    contract="safe-to-retry",
    danger="low",
    permissions=("files.read", "files.write"),
    needs=_needs_both,
)
def copy(call: ToolCall, source: FilePath, target: FilePath, overwrite: Overwrite = False) -> Copied:
    """Copies a file, or a folder with all the files in it. Links are left out."""
    workspace = Workspace(call.workspace)
    found = workspace.state(source)
    if found is None:
        raise ToolError(f"`{source}` does not exist: see what is there with files.list.")
    start, end = place(source), place(target)
    if end.parts[: len(start.parts)] == start.parts and end.absolute == start.absolute:
        raise BadArguments(f"`{target}` is `{source}` or within it: choose another target.")
    names = ["."]
    if kind_of(found.st_mode) == "folder":
        names = [one.path for one in walk(workspace, start) if one.kind == "file"]
        workspace.make_folder(target)
    room = MOST_COPIED
    for name in names:
        data = workspace.read(start.inner(name).path)
        room -= len(data)
        if room < 0:
            raise ToolError(f"`{source}` is larger than {MOST_COPIED:,} bytes: copy it in parts.")
        path = end.inner(name).path
        if overwrite or not workspace.has(path, data):
            workspace.write(path, data, overwrite)
    return Copied(source, target, len(names))


@tool(
    "files.move",
    version="1.0.0",
    contract="keyed",
    danger="medium",
    permissions=("files.read", "files.write"),
    needs=_needs_to_move,
)
def move(call: ToolCall, source: FilePath, target: FilePath, overwrite: Overwrite = False) -> Copied:
    """Moves or renames a file or a folder."""
    move_once(Workspace(call.workspace), call.key, place(source), place(target), overwrite)
    return Copied(source, target, 1)


@tool(
    "files.delete",
    version="1.0.0",
    contract="safe-to-retry",
    danger="medium",
    permissions=("files.write",),
    needs=writes_path,
    preview=preview_delete,
)
def delete(
    call: ToolCall,
    path: FilePath,
    recursive: Annotated[bool, Field(description="Of a folder: with all that is in it.")] = False,
) -> Deleted:
    """Deletes a file, a link or a folder. What is not there is no error."""
    return Deleted(path, Workspace(call.workspace).remove(path, recursive))


@_writes("files.mkdir", contract="safe-to-retry")
def mkdir(call: ToolCall, path: FolderPath) -> Written:
    """Makes a folder, with those on the way to it. One that is there already is no error."""
    Workspace(call.workspace).make_folder(path)
    return Written(path, 0)


TOOLS = (write, append, edit, copy, move, delete, mkdir)
