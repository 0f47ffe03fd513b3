"""What a project says it needs: requirements.txt, pyproject.toml, package.json. Read, and nothing run or installed."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BaseModel, Field

from .tool import ToolError


class Needed(BaseModel):
    name: str
    versions: str = Field(description="which versions fit, in the words of the file; empty: any")
    group: str = Field(description="empty for what is always needed; else the extra or group, as in `dev`")
    extras: list[str] = []
    marker: str = Field(default="", description="when it is needed, as in python_version < '3.12'")
    url: str = Field(default="", description="where it comes from, when not from an index")


class Needs(BaseModel):
    kind: str = Field(description="requirements, pyproject or package")
    needs: list[Needed]
    others: list[str] = Field(description="lines that were not read, as in `-r other.txt`")


def needs_of(path: str, text: str) -> Needs:
    name = path.rpartition("/")[2]
    read: Callable[[str], Needs] = _requirements
    if name.endswith(".toml"):
        read = _pyproject
    elif name.endswith(".json"):
        read = _package
    try:
        return read(text)
    except (tomllib.TOMLDecodeError, ValueError, TypeError, AttributeError) as error:
        raise ToolError(f"`{path}` cannot be read: {str(error).rstrip('.')}.") from None


def _requirements(text: str) -> Needs:
    needs: list[Needed] = []
    others: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        said = re.sub(r"(^|\s)#.*$", "", line).strip()
        wanted = said.partition(" --hash")[0].strip()
        if not wanted:
            continue
        try:
            needs.append(_needed(wanted, ""))
        except InvalidRequirement:
            others.append(said)
    return Needs(kind="requirements", needs=needs, others=others)


def _pyproject(text: str) -> Needs:
    document = tomllib.loads(text)
    project = document.get("project", {})
    listed: list[tuple[str, Any]] = [("", one) for one in project.get("dependencies", [])]
    for group, lines in project.get("optional-dependencies", {}).items():
        listed += [(group, one) for one in lines]
    for group, lines in document.get("dependency-groups", {}).items():
        listed += [(group, one) for one in lines]
    needs: list[Needed] = []
    others: list[str] = []
    for group, one in listed:
        try:
            needs.append(_needed(one, group))
        except (InvalidRequirement, TypeError):  # a group may include another one
            others.append(f"{group}: {one}" if group else str(one))
    return Needs(kind="pyproject", needs=needs, others=others)


def _needed(line: str, group: str) -> Needed:
    wanted = Requirement(line)
    return Needed(
        name=wanted.name,
        versions=str(wanted.specifier),
        group=group,
        extras=sorted(wanted.extras),
        marker=str(wanted.marker or ""),
        url=wanted.url or "",
    )


def _package(text: str) -> Needs:
    return Needs(kind="package", needs=list(_of_package(json.loads(text))), others=[])


def _of_package(document: dict[str, Any]) -> Iterator[Needed]:
    words = {
        "dependencies": "",
        "devDependencies": "dev",
        "peerDependencies": "peer",
        "optionalDependencies": "optional",
    }
    for word, group in words.items():
        for name, versions in document.get(word, {}).items():
            is_elsewhere = ":" in str(versions) or "/" in str(versions)
            yield Needed(
                name=name,
                versions="" if is_elsewhere else str(versions),
                group=group,
                url=str(versions) if is_elsewhere else "",
            )
