"""What a model said, read as a move: what is to be done next, and what it must be told because it cannot be done."""

import json
from collections.abc import Iterator
from typing import Any

from ..errors import storable
from ..models import FromModel, FromTool, FromUser, ModelReply, Spoken, ToolUse
from .messages import Move, Setting
from .mind import Thought

LONGEST_REMARK = 500  # characters of what is said beside the use of tools: the whole is in the conversation
MOST_NAMED = 10


def said_by(reply: ModelReply) -> FromModel:
    """As it can be stored, and with no use twice: one answer could not be told from the other."""
    message = reply.message
    uses = {use.id: use for use in message.uses}
    return message.model_copy(
        update={"text": storable(message.text), "uses": tuple(_storable_use(use) for use in uses.values())}
    )


def move_of(said: FromModel, thought: Thought, setting: Setting) -> tuple[Move, list[Spoken]]:
    """The move, and what is to be said to the model at once."""
    answers: list[Spoken] = []
    if said.uses:
        answers += _unusable(said.uses, setting)
        told = {one.use for one in answers if isinstance(one, FromTool)}
        uses = tuple(use for use in said.uses if use.id not in told)
        move = Move(kind="use" if uses else "again", uses=uses, text=said.text[:LONGEST_REMARK])
    elif setting.answer is not None:
        move = _formed(said.text, thought.reply, answers)
    else:
        move = Move(kind="answer", text=said.text, why=_cut(thought.reply))
    told_why = "; ".join(one.text for one in answers)
    why = {"why": told_why[:LONGEST_REMARK]} if told_why else {}
    reply = thought.reply
    about = {"model": reply.model, "usage": reply.usage, "cost_nanos": thought.cost_nanos}
    return move.model_copy(update={**about, **why}), answers


def _formed(text: str, reply: ModelReply, answers: list[Spoken]) -> Move:
    try:
        return Move(kind="answer", text=text, value=json.loads(text))
    except (ValueError, RecursionError) as error:
        said = f"it was cut off after {reply.usage.output_tokens} tokens" if reply.stop == "length" else str(error)
        answers.append(FromUser(text=f"Your answer is not the JSON that was asked for: {said}. Answer again."))
        return Move(kind="again")


def _unusable(uses: tuple[ToolUse, ...], setting: Setting) -> Iterator[FromTool]:
    offered = {offer.name for offer in setting.offers}
    for use in uses:
        if use.name not in offered:
            names = ", ".join(sorted(offered)[:MOST_NAMED]) or "none"
            said = f"There is no tool `{use.name}` here. There are: {names}."
        elif use.malformed is not None:
            said = f"The arguments of `{use.name}` are no JSON object: {use.malformed[:200]!r}. Call it again."
        else:
            continue
        yield FromTool(use=use.id, text=said, failed=True)


def _cut(reply: ModelReply) -> str:
    match reply.stop:
        case "length":
            return f"cut off after {reply.usage.output_tokens} tokens"
        case "refused":
            return "the model refused"
        case _:
            return ""


def _storable_use(use: ToolUse) -> ToolUse:
    return use.model_copy(
        update={
            "name": storable(use.name),
            "arguments": _storable(use.arguments),
            "malformed": storable(use.malformed) if use.malformed is not None else None,
        }
    )


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(key): _storable(one) for key, one in value.items()}
        case list():
            return [_storable(one) for one in value]
        case _:
            return value
