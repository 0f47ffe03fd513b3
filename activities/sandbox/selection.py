"""Which of the files that untrusted code left are wanted: the patterns of `collect`.

A pattern is matched part by part: `*` stays within one name, `**` is any number of directories. As in a shell, a name
that begins with a dot is taken only by a part that does.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


class Selection:
    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_parts(pattern) for pattern in patterns]

    def takes(self, path: str) -> bool:
        names = _parts(path)
        return any(len(pattern) in _reached(names, pattern) for pattern in self._patterns)

    def may_take_beneath(self, directory: str) -> bool:
        names = _parts(directory)
        return any(_reached(names, pattern) - {len(pattern)} for pattern in self._patterns)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _reached(names: Sequence[str], pattern: Sequence[str]) -> set[int]:
    """How many parts of the pattern the names can have used up: all ways at once, so no pattern takes long."""
    reached = _past_stars({0}, pattern)
    for name in names:
        stepped = {at + 1 for at in reached if at < len(pattern) and _is_like(name, pattern[at])}
        reached = _past_stars(stepped | {at for at in reached if _is_stars(at, pattern, name)}, pattern)
    return reached


def _past_stars(reached: set[int], pattern: Sequence[str]) -> set[int]:
    for at in sorted(reached):
        while at < len(pattern) and pattern[at] == "**":
            at += 1
            reached.add(at)
    return reached


def _is_stars(at: int, pattern: Sequence[str], name: str) -> bool:
    return at < len(pattern) and pattern[at] == "**" and not name.startswith(".")


def _is_like(name: str, part: str) -> bool:
    return part != "**" and (part.startswith(".") or not name.startswith(".")) and fnmatchcase(name, part)
