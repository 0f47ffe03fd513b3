"""What providers said in their own words, as far as it may stand in an error.

The invariant: nothing of what was asked, and no key. A provider that quotes the prompt in its complaint is not quoted.
"""

import re
from collections.abc import Iterator

from ...actors.models import FromModel, ModelRequest
from ..secrets import Veil

LONGEST = 300
WINDOW = 16  # characters that are in both by more than chance
SHORTEST = 4

_CODE = re.compile(r"[\w.\-\[\]]{1,80}")


def codes(*values: object) -> str:
    """Of what a provider says, what machines read: ` invalid_value, temperature`."""
    fit = dict.fromkeys(value for value in values if isinstance(value, str) and _CODE.fullmatch(value))
    return ", ".join(fit)


def quoted(said: object, request: ModelRequest, key: str | None) -> str:
    """Ready to stand in a sentence: `: it says that …`, or nothing."""
    if not isinstance(said, str) or not said.strip():
        return ""
    text = " ".join(Veil({"key": key} if key else {}).hide(said[: LONGEST * 4]).split())[:LONGEST].rstrip(".")
    return "" if _quotes(text, request) else f" (it says: {text})"


def _quotes(text: str, request: ModelRequest) -> bool:
    for asked in _texts(request):
        asked = " ".join(asked.split())
        if SHORTEST <= len(asked) < WINDOW and asked in text:
            return True
        if any(text[at : at + WINDOW] in asked for at in range(len(text) - WINDOW + 1)):
            return True
    return False


def _texts(request: ModelRequest) -> Iterator[str]:
    yield request.system
    for one in request.messages:
        yield one.text
        if isinstance(one, FromModel):
            yield from (use.model_dump_json() for use in one.uses)
