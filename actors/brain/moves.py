"""What a model said, read as a move: what is to be done next, and what it must be told because it cannot be done."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import storable
from ..models import FromModel, FromTool, FromUser, ModelReply, Spoken, ToolUse
from .messages import Move, Setting
from .mind import Thought

LONGEST_REMARK = 500  # characters of what is said beside the use of tools: the whole is in the conversation
LONGEST_REFUSAL = 200
MOST_NAMED = 10
MOST_PARTS = 4  # of one answer
THE_REST = "You were cut off. Go on with the very next word: what you have said is put before it."


def said_by(reply: ModelReply) -> FromModel:
    """As it can be stored, and with no use twice: one answer could not be told from the other."""
    message = reply.message
    uses = {use.id: use for use in message.uses}
    return message.model_copy(
        update={"text": storable(message.text), "uses": tuple(_storable_use(use) for use in uses.values())}
    )


def move_of(
    said: FromModel, thought: Thought, setting: Setting, before: Sequence[str] = ()
) -> tuple[Move, list[Spoken]]:
    """The move, and what is to be said to the model at once. `before` are the parts of its answer that it has said."""
    answers: list[Spoken] = []
    if said.uses:
        answers += _unusable(said.uses, setting, thought.reply)
        told = {one.use for one in answers if isinstance(one, FromTool)}
        uses = tuple(use for use in said.uses if use.id not in told)
        move = Move(kind="use" if uses else "again", uses=uses, text=said.text[:LONGEST_REMARK])
    elif thought.reply.stop == "refused":
        move = Move(kind="refused", text=said.text, why=_refusal(said.text, thought.reply))
    elif setting.answer is not None:
        move = _formed(said.text, thought.reply, answers)
    else:
        move = _answered([*before, said.text], thought.reply, answers)
    told_why = "; ".join(one.text for one in answers)
    why = {"why": told_why[:LONGEST_REMARK]} if told_why and not move.why else {}
    reply = thought.reply
    about = {"model": reply.model, "usage": reply.usage, "cost_nanos": thought.cost_nanos}
    return move.model_copy(update={**about, **why}), answers


def _answered(parts: Sequence[str], reply: ModelReply, answers: list[Spoken]) -> Move:
    """Half an answer is never given for a whole one: it is asked for the rest, and then told as what it is."""
    if reply.stop != "length":
        return Move(kind="answer", text="".join(parts))
    why = f"its answer was cut off after {reply.usage.output_tokens:,} tokens"
    if len(parts) < MOST_PARTS:
        answers.append(FromUser(text=THE_REST))
        return Move(kind="more", why=why)
    return Move(kind="half", text="".join(parts), why=f"{why}, for the {len(parts)}th time.")


def _refusal(text: str, reply: ModelReply) -> str:
    return f"{reply.model} refused to go on" + (f": {text[:LONGEST_REFUSAL]!r}" if text else "")


def _formed(text: str, reply: ModelReply, answers: list[Spoken]) -> Move:
    try:
        value = json.loads(text)
        if reply.stop == "length" and isinstance(value, int | float):
            raise ValueError("a number may have lost its end")
        return Move(kind="answer", text=text, value=value)
    except (ValueError, RecursionError) as error:
        said = f"it was cut off after {reply.usage.output_tokens} tokens" if reply.stop == "length" else str(error)
        answers.append(FromUser(text=f"Your answer is not the JSON that was asked for: {said}. Answer again."))
        return Move(kind="again")


def _unusable(uses: tuple[ToolUse, ...], setting: Setting, reply: ModelReply) -> Iterator[FromTool]:
    cut = _cut(reply)
    offered = {offer.name for offer in setting.offers}
    for use in uses:
        if use.name not in offered:
            names = ", ".join(sorted(offered)[:MOST_NAMED]) or "none"
            said = f"There is no tool `{use.name}` here. There are: {names}."
        elif cut and (use is uses[-1] or not use.arguments):  # what is left of it may be JSON, and mean something else
            said = (
                f"Your call of `{use.name}` was not made: {cut} in the middle of it. Call it again, with less at once."
            )
        elif use.malformed is not None:
            said = f"The arguments of `{use.name}` are no JSON object: {use.malformed[:200]!r}. Call it again."
        else:
            continue
        yield FromTool(use=use.id, text=said, failed=True)


def _cut(reply: ModelReply) -> str:
    match reply.stop:
        case "length":
            return f"you were cut off after {reply.usage.output_tokens} tokens"
        case "refused":
            return "you were stopped"
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
