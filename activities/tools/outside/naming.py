"""Our names for tools that somebody else has named."""

import re
from collections.abc import Iterable

from ....actors.errors import Rejected

LONGEST = 60
FAMILY = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def family_name(text: str) -> str:
    """The name of an imported source, which is the family of its tools."""
    if not FAMILY.fullmatch(text):
        raise Rejected(f"{text[:60]!r} cannot be the name of a family of tools: write small letters and digits.")
    return text


def tool_names(family: str, given: Iterable[str]) -> list[str]:
    """Ours, as in far.get_weather for getWeather. Those that become alike are numbered, in the order given."""
    names: list[str] = []
    taken: set[str] = set()
    for theirs in given:
        wanted = f"{family}.{_word(theirs)}"
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name)
        names.append(name)
    return names


def _word(text: str) -> str:
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    word = re.sub(r"[^a-z0-9_]+", "_", parted.lower()).strip("_")[:LONGEST].strip("_")
    return word if word and word[0].isalpha() else f"tool_{word}".strip("_")
