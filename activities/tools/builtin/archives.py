"""Tools for archives: make one, look into one, unpack one."""

import io
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from ..manifest import Permission
from ..place import FilePath, FolderPath, place, reads, reads_path, writes
from ..tool import ToolCall, ToolError, tool
from ..workspace import MB, Workspace
from .archive_members import MOST_MEMBERS, MOST_TOTAL, Kind, Member, checked, compressed, kind_by_name, members
from .globs import selected

Archive = Annotated[str, Field(description="A .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz file.", max_length=4_000)]
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time, for zip: the same files make the same archive


@dataclass
class Created:
    path: str
    files: int
    size: int


@dataclass
class Content:
    path: str
    size: int
    folder: bool


@dataclass
class Contents:
    members: list[Content]
    total: int  # bytes, unpacked


@dataclass
class Extracted:
    folder: str
    paths: list[str]
    total: int


def _needs_to_create(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.folder), writes(arguments.target)


def _needs_to_extract(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.path), writes(arguments.folder)


@tool(
    "archive.create",
    version="1.0.0",
    contract="safe-to-retry",
    danger="low",
    permissions=("files.read", "files.write"),
    needs=_needs_to_create,
)
def create(
    call: ToolCall,
    target: Archive,
    folder: FolderPath = ".",
    files: Annotated[list[str], Field(min_length=1, max_length=50, description="Patterns, as in `src/**`.")] = ["**"],  # noqa: B006
    overwrite: bool = False,
) -> Created:
    """Packs the files of a folder into an archive; its name says the format. The same files make the same archive."""
    workspace, kind, where = Workspace(call.workspace), kind_by_name(target), place(folder)
    paths = [
        name for name in selected(workspace, where, files, MOST_MEMBERS).paths if where.inner(name) != place(target)
    ]
    if not paths:
        raise ToolError(f"no file in `{folder}` is like {', '.join(files)}: see what is there with files.tree.")
    packed = _packed(kind, _contents(workspace, folder, paths))
    if overwrite or not workspace.has(target, packed):
        workspace.write(target, packed, overwrite)
    return Created(target, len(paths), len(packed))


def _contents(workspace: Workspace, folder: str, paths: list[str]) -> Iterable[tuple[str, bytes]]:
    room = MOST_TOTAL
    for path in paths:
        data = workspace.read(place(folder).inner(path).path)
        room -= len(data)
        if room < 0:
            raise ToolError(f"the files are larger than {MOST_TOTAL // MB} MB together: pack them in several archives.")
        yield path, data


def _packed(kind: Kind, contents: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path, data in contents:
                information = zipfile.ZipInfo(path, _BEGINNING)
                information.external_attr = 0o644 << 16
                zipped.writestr(information, data, zipfile.ZIP_DEFLATED)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tarred:
        for path, data in contents:
            header = tarfile.TarInfo(path)
            header.size = len(data)
            tarred.addfile(header, io.BytesIO(data))
    return compressed(out.getvalue(), kind)


@tool(
    "archive.list",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
)
def list_members(call: ToolCall, path: Archive) -> Contents:
    """Lists what is in an archive, without unpacking it."""
    with Workspace(call.workspace).reading(place(path)) as file:
        found = [Content(one.path, one.size, one.is_folder) for one in members(file, path)]
    return Contents(found, sum(one.size for one in found))


@tool(
    "archive.extract",
    version="1.0.0",
    contract="safe-to-retry",
    danger="low",
    permissions=("files.read", "files.write"),
    needs=_needs_to_extract,
)
def extract(
    call: ToolCall,
    path: Archive,
    folder: Annotated[FilePath, Field(description="Where to; it is made.")],
    overwrite: bool = False,
) -> Extracted:
    """Unpacks an archive. All names and sizes in it are checked first: one with links, devices or names that lead out,
    or one that grows too much, is refused as a whole."""
    workspace = Workspace(call.workspace)
    with workspace.reading(place(path)) as file:
        wanted = checked(members(file, path), path)
        file.seek(0)
        workspace.make_folder(folder)
        for member in members(file, path):
            _unpack(workspace, place(folder).inner(member.path).path, member, overwrite)
    return Extracted(folder, [one.path for one in wanted if not one.is_folder], sum(one.size for one in wanted))


def _unpack(workspace: Workspace, path: str, member: Member, overwrite: bool) -> None:
    if member.is_folder:
        workspace.make_folder(path)
        return
    data = member.read()
    if overwrite or not workspace.has(path, data):
        workspace.write(path, data, overwrite)


TOOLS = (create, list_members, extract)
