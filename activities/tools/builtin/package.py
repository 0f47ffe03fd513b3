"""Tools that know packages: `package.info`, `package.versions`, `package.compare`, `package.requirements`.

Nothing is installed, unpacked or run. The index is the one that is named, or the one that the worker is configured
with (PIP_INDEX_URL, or `index-url` in pip's configuration).
"""

import re
from typing import Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, Field

from ...sandbox.spec import is_host
from ..manifest import Permission
from ..package_index import IndexFile, files_of, index_url, metadata_of
from ..place import FilePath, reads_path
from ..requirement_files import Needs, needs_of
from ..tool import BadArguments, ToolCall, ToolError, tool
from ..web import connects, reached
from ..workspace import Workspace

Name = Annotated[
    str, Field(description="The package's name.", pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)
]
Index = Annotated[
    str | None,
    Field(
        description="URL of a package index (PEP 503 or 691), as in https://index.example/simple; else the worker's."
    ),
]
_SEMVER = re.compile(
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)


class PackageVersion(BaseModel):
    version: str
    is_prerelease: bool
    is_yanked: bool = Field(description="taken back by its maker: all of its files")
    requires_python: str
    files: int


class Info(BaseModel):
    name: str
    version: str
    requires_python: str
    files: list[IndexFile]
    summary: str = Field(description="empty where the metadata is not to be had")
    license: str
    urls: list[str]
    requires: list[str] = Field(description="requirements of this version (PEP 508)")
    said: str = Field(description="why there is no metadata, where there is none")


def _connects(arguments: Any) -> tuple[Permission, ...]:
    return (connects(index_url(arguments.index)),)


def _connects_to_files(arguments: Any) -> tuple[Permission, ...]:
    index = connects(index_url(arguments.index))
    files = arguments.files_host
    return (index, Permission(action="net.connect", on=files)) if files and files != index.on else (index,)


@tool(
    "package.versions",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect",),
    needs=_connects,
    danger="low",
    tags=("python", "pip", "releases"),
)
async def versions(
    call: ToolCall,
    name: Name,
    index: Index = None,
    fits: Annotated[str, Field(description="Only versions that fit, as in `>=2,<3`.", max_length=200)] = "",
    prereleases: Annotated[bool, Field(description="Pre-releases, too.")] = False,
    most: Annotated[int, Field(description="How many are given at most.", ge=1, le=2_000)] = 50,
) -> list[PackageVersion]:
    """Lists the versions of a Python package that an index has, the newest first."""
    wanted = _specifier(fits)
    grouped: dict[str, list[IndexFile]] = {}
    for file in await files_of(call, index_url(index), name):
        if wanted.contains(file.version, prereleases=prereleases):
            grouped.setdefault(file.version, []).append(file)
    return [_version(number, files) for number, files in list(grouped.items())[:most]]


@tool(
    "package.info",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect",),
    needs=_connects_to_files,
    danger="low",
    tags=("python", "pip", "license", "dependencies"),
)
async def info(
    call: ToolCall,
    name: Name,
    version: Annotated[str | None, Field(description="Which; else the newest that is no pre-release.")] = None,
    index: Index = None,
    files_host: Annotated[
        str | None,
        Field(description="Host and port of the files, where the index keeps them elsewhere, as in files.example:443."),
    ] = None,
) -> Info:
    """Tells of a version of a Python package: its files, which Python it needs, and its summary, license and
    requirements where the index gives the metadata of files."""
    if files_host is not None and not is_host(files_host):
        raise BadArguments(f"{files_host[:60]!r} is not a host and port: write it as in files.example:443.")
    where = index_url(index)
    found = await files_of(call, where, name)
    chosen = _chosen(name, version, found)
    files = [file for file in found if file.version == chosen]
    about, said = await _metadata(call, files, {reached(where), files_host})
    return Info(
        name=name,
        version=chosen,
        requires_python=files[0].requires_python,
        files=files,
        summary=" ".join(about.get("summary", [])),
        license=" ".join(about.get("license-expression", about.get("license", [])))[:500],
        urls=about.get("project-url", []),
        requires=about.get("requires-dist", []),
        said=said,
    )


class Comparison(BaseModel):
    order: Literal["older", "same", "newer"] = Field(description="what `version` is beside `other`")
    fits: bool | None = Field(description="whether `version` fits, where it was asked")


@tool("package.compare", version="1.0.0", contract="safe-to-retry", tags=("version", "semver", "pep440"))
def compare(
    version: Annotated[str, Field(description="A version.", max_length=200)],
    other: Annotated[str, Field(description="What it is compared with.", max_length=200)],
    scheme: Annotated[
        Literal["pep440", "semver"],
        Field(description="`pep440`: of Python packages. `semver`: of npm and most others."),
    ] = "pep440",
    fits: Annotated[str, Field(description="With pep440: a range, as in `>=2,<3`.", max_length=200)] = "",
) -> Comparison:
    """Compares two versions: which is newer, and whether the first is in a range."""
    if scheme == "semver":
        if fits:
            raise BadArguments("ranges are read with `scheme: pep440` only: leave `fits` out.")
        return Comparison(order=_order(_semver(version), _semver(other)), fits=None)
    one, two = _pep440(version), _pep440(other)
    return Comparison(order=_order(one, two), fits=_specifier(fits).contains(one, prereleases=True) if fits else None)


@tool(
    "package.requirements",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
    tags=("python", "npm", "dependencies"),
)
def requirements(call: ToolCall, path: FilePath) -> Needs:
    """Lists what a project needs, by its requirements.txt, pyproject.toml or package.json."""
    return needs_of(path, Workspace(call.workspace).read_text(path))


async def _metadata(
    call: ToolCall, files: list[IndexFile], allowed: set[str | None]
) -> tuple[dict[str, list[str]], str]:
    described = [file for file in files if file.has_metadata]
    if not described:
        return {}, "The index gives no metadata of this version's files."
    host = reached(described[0].url)
    if host not in allowed:
        return {}, f"The metadata is on another host: call again with `files_host: {host}`."
    return await metadata_of(call, described[0]), ""


def _chosen(name: str, version: str | None, found: list[IndexFile]) -> str:
    known = list(dict.fromkeys(file.version for file in found))
    if version is not None:
        wanted = str(_pep440(version))
        if wanted not in known:
            raise ToolError(f"the index has no version {wanted} of {name}; its newest are {', '.join(known[:5])}.")
        return wanted
    settled = [file.version for file in found if not file.is_yanked and not Version(file.version).is_prerelease]
    if not known:
        raise ToolError(f"the index lists no file of {name} that can be installed.")
    return (settled or known)[0]


def _version(number: str, files: list[IndexFile]) -> PackageVersion:
    return PackageVersion(
        version=number,
        is_prerelease=Version(number).is_prerelease,
        is_yanked=all(file.is_yanked for file in files),
        requires_python=files[0].requires_python,
        files=len(files),
    )


def _specifier(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise BadArguments(f"{text[:60]!r} is no range of versions: write it as in `>=2,<3`.") from None


def _pep440(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise BadArguments(f"{text[:60]!r} is no version of a Python package: write it as in 1.2.3rc1.") from None


def _semver(text: str) -> tuple[Any, ...]:
    """A release comes after its pre-releases; in these, numbers come before words (SemVer 2.0.0, item 11)."""
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise BadArguments(f"{text[:60]!r} is no semantic version: write it as in 1.2.3-rc.1.")
    *numbers, pre = found.groups()
    words = [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in (pre or "").split(".") if word]
    return (*map(int, numbers), pre is None, words)


def _order(one: Any, two: Any) -> Literal["older", "same", "newer"]:
    if one == two:
        return "same"
    return "newer" if one > two else "older"


TOOLS = (info, versions, compare, requirements)
