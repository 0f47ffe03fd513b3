"""Where a path in a tool's arguments points: beneath the run's workspace, or, written from `/`, somewhere on the host.

The invariant: what policy is asked about is what is touched. So a place has one spelling, has no `..` in it, and
whoever opens it follows no link.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from .manifest import Permission
from .tool import BadArguments

HIDDEN = ".resprout"  # how names begin that are ours: journals, and files that are being written
DEEPEST = 64
LONGEST_NAME = 255
_OF_THE_KERNEL = frozenset({"proc", "sys", "dev"})

FilePath = Annotated[str, Field(description="Path beneath the workspace, as in `notes/today.md`.", max_length=4_000)]
FolderPath = Annotated[str, Field(description="Folder beneath the workspace; `.` is all of it.", max_length=4_000)]


@dataclass(frozen=True)
class Place:
    parts: tuple[str, ...]
    absolute: bool = False

    @property
    def path(self) -> str:
        return "/" * self.absolute + ("/".join(self.parts) or "." * (not self.absolute))

    @property
    def resource(self) -> str:
        """What policy knows it by."""
        return self.path if self.absolute else f"workspace:{self.path}"

    def inner(self, path: str) -> "Place":
        return Place((*self.parts, *place(path).parts), self.absolute)


def place(path: str) -> Place:
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    absolute = path.startswith("/")
    problem = _problem(path, parts, absolute)
    if problem:
        raise BadArguments(f"the path {path[:200]!r} {problem}.")
    return Place(parts, absolute)


def _problem(path: str, parts: tuple[str, ...], absolute: bool) -> str | None:
    if not path:
        return "is empty: write `.` for the workspace itself"
    if ".." in parts:
        return "has `..` in it: write where it is beneath the workspace"
    if "\0" in path or any(0xD800 <= ord(char) <= 0xDFFF for char in path):
        return "has a character in it that no file can be named with"
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"is deeper than {DEEPEST} folders or has a name of more than {LONGEST_NAME} bytes"
    if any(part.startswith(HIDDEN) for part in parts):
        return f"is the runtime's own: names that begin with `{HIDDEN}` are kept for it"
    if absolute and parts[:1] and parts[0] in _OF_THE_KERNEL:
        return "is the kernel's: no tool opens what is in /proc, /sys or /dev"
    return None


def reads(path: str) -> Permission:
    return Permission(action="files.read", on=place(path).resource)


def writes(path: str) -> Permission:
    return Permission(action="files.write", on=place(path).resource)


# What `@tool(needs=…)` takes for tools whose argument `path` names what they touch.


def reads_path(arguments: Any) -> tuple[Permission, ...]:
    return (reads(arguments.path),)


def reads_path_if_any(arguments: Any) -> tuple[Permission, ...]:
    return reads_path(arguments) if arguments.path else ()


def writes_path(arguments: Any) -> tuple[Permission, ...]:
    return (writes(arguments.path),)


def changes_path(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.path), writes(arguments.path)
