"""A conversation as providers want it: by turns, and in each turn of ours the answers of tools first.

Providers refuse what stands between a tool's use and its answer, as a word that a person said while the tool ran.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from pydantic import JsonValue

from ...actors.models import FromModel, FromTool, FromUser, Spoken, ToolUse

Ours = list[FromTool | FromUser]


def turns(messages: Sequence[Spoken]) -> Iterator[FromModel | Ours]:
    for is_model, said in groupby(messages, lambda one: isinstance(one, FromModel)):
        if is_model:
            yield from (one for one in said if isinstance(one, FromModel))
        else:
            ours = [one for one in said if not isinstance(one, FromModel)]
            yield sorted(ours, key=lambda one: isinstance(one, FromUser))


def arguments_of(use: ToolUse) -> dict[str, JsonValue]:
    """An object in any case: some servers fail over anything else, though the model wrote it itself."""
    return use.arguments if use.malformed is None else {"malformed": use.malformed}
