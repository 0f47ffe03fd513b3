"""Which of the files that untrusted code left are wanted: the patterns of `collect`.

A pattern is matched part by part: `*` stays within one name, `**` is any number of directories.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase


class Selection:
    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_parts(pattern) for pattern in patterns]

    def takes(self, path: str) -> bool:
        names = _parts(path)
        return any(_match(names, pattern) for pattern in self._patterns)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _match(names: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_match(names[skipped:], pattern[1:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _match(names[1:], pattern[1:])
