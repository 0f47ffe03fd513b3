"""The tools that this process can run, by name and version.

A reference is a name, which means the newest version that is not deprecated, or a name with a range of versions, as in
`text.count@1.2` (any 1.2) or `text.count@>=1,<3`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ...actors.errors import BadClass, NotFound, Rejected
from .tool import Tool


class UnknownTool(NotFound):
    """No tool has this name, or none of its versions is the one that was asked for."""


class Toolbox:
    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, dict[str, Tool]] = {}
        self.deprecated: Mapping[tuple[str, str], str] = {}  # by name and version: why, besides what manifests say
        for one in tools:
            self.add(one)

    def __iter__(self) -> Iterator[Tool]:
        """By name, the newest version first."""
        for _, versions in sorted(self._tools.items()):
            told = map(self._told, versions.values())
            yield from sorted(told, key=lambda one: Version(one.manifest.version), reverse=True)

    def newest(self) -> Iterator[Tool]:
        """Of each name the version that the name alone means, unless that is deprecated."""
        for name in sorted(self._tools):
            found = self.find(name)
            if found.manifest.deprecated is None:
                yield found

    def search(self, words: str) -> list[Tool]:
        """By words of names, tags and descriptions, the best first."""
        wanted = {word for word in re.findall(r"[a-z0-9]+", words.lower()) if len(word) > 1}
        scored = [(_score(one, wanted), one) for one in self.newest()]
        return [one for score, one in sorted(scored, key=lambda pair: (-pair[0], pair[1].name)) if score > 0]

    def add(self, added: Tool) -> None:
        versions = self._tools.setdefault(added.name, {})
        known = versions.get(added.manifest.version)
        if known is not None and known.manifest.digest != added.manifest.digest:
            raise BadClass(
                f"two tools are {added.manifest.reference}, from {known.source} and {added.source}. Raise the version "
                "of the one that changed."
            )
        versions[added.manifest.version] = added

    def remove(self, source: str) -> None:
        """All of one source."""
        for name, versions in list(self._tools.items()):
            kept = {version: one for version, one in versions.items() if one.source != source}
            if kept:
                self._tools[name] = kept
            else:
                del self._tools[name]

    def leave_out(self, name: str, version: str) -> None:
        versions = {known: one for known, one in self._tools.pop(name, {}).items() if known != version}
        if versions:
            self._tools[name] = versions

    def find(self, reference: str) -> Tool:
        name, _, wanted = reference.partition("@")
        versions = self._tools.get(name)
        if not versions:
            near = get_close_matches(name, self._tools, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "list them with `resprout tool list`."
            raise UnknownTool(f"there is no tool {name!r}: {hint}")
        fitting = [self._told(one) for version, one in versions.items() if _fits(version, wanted, reference)]
        if not fitting:
            known = ", ".join(sorted(versions, key=Version, reverse=True))
            raise UnknownTool(f"no version of {name} is {wanted!r}; there are {known}.")
        return max(fitting, key=lambda one: (one.manifest.deprecated is None or bool(wanted), _age(one)))

    def _told(self, one: Tool) -> Tool:
        why = self.deprecated.get((one.name, one.manifest.version))
        return one if why is None else replace(one, manifest=one.manifest.model_copy(update={"deprecated": why}))


def _score(one: Tool, wanted: set[str]) -> int:
    """A word of the name counts more than one of the tags, and that more than one of the description."""
    places = ((5, one.name), (3, " ".join(one.manifest.tags)), (1, one.manifest.description))
    return sum(
        weight * sum(any(known.startswith(word) for known in re.findall(r"[a-z0-9]+", text.lower())) for word in wanted)
        for weight, text in places
    )


def _age(one: Tool) -> tuple[bool, Version]:
    version = Version(one.manifest.version)
    return not version.is_prerelease, version


def _fits(version: str, wanted: str, reference: str) -> bool:
    if not wanted or wanted == version:
        return True
    exact = wanted[0].isdigit()
    try:
        if exact and wanted.count(".") < 2:
            return version.startswith(f"{wanted.removesuffix('.*')}.")
        return Version(version) in SpecifierSet(f"=={wanted}" if exact else wanted.replace("^", "~="), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        raise Rejected(f"{reference!r} names no version: write it as in text.count@1.2.0 or text.count@1.2.") from None
