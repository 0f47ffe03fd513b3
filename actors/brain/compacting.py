"""A long conversation made short: what is long past becomes a summary, what is recent stays as it was said."""

from collections.abc import Sequence

from ..errors import Rejected
from ..models import FromModel, FromTool, FromUser, ModelReply, ModelRequest
from .transcript import BYTES_PER_TOKEN, Spoke

KEPT = 0.3  # of the room stays as it was said
SHORTENED = 2_000  # characters of one message, for whoever summarises it
MOST_SUMMARY_TOKENS = 8_192  # some models think before they write, and that counts
LEAST_SUMMARY = 200  # characters of one that was cut off
SYSTEM = (
    "You shorten a conversation between a user, an assistant and its tools. Keep every fact, name, number, decision "
    "and open question that is needed to go on with the work. Write plain sentences and nothing else."
)


class NoSummary(Rejected):
    """The model gave nothing that could stand for what was said before."""


def divided(spoken: Sequence[Spoke], room: int) -> tuple[list[Spoke], int] | None:
    """What is to be summarised, and the number of the entry from which all stays. None when nothing can be.

    What stays never begins with what a tool gave: it belongs behind the use that it answers.
    """
    kept, size = len(spoken), 0
    while kept > 0 and (kept == len(spoken) or size + spoken[kept - 1].size <= KEPT * room * BYTES_PER_TOKEN):
        kept -= 1
        size += spoken[kept].size
    while kept > 0 and isinstance(spoken[kept].said, FromTool):
        kept -= 1
    if kept < 2:
        return None
    return list(spoken[:kept]), spoken[kept].number


def rendered(before: str, old: Sequence[Spoke]) -> str:
    """As a text to be summarised."""
    lines = [f"Summary of what came before: {before}"] if before else []
    return "\n".join([*lines, *(_line(spoke) for spoke in old)])


def request_for(model: str, text: str, window: int, conversation: str) -> ModelRequest:
    most = min(MOST_SUMMARY_TOKENS, max(window // 8, 1))
    room = max(window - 2 * most, most) * BYTES_PER_TOKEN // 2  # in characters, with care: some have several bytes
    if len(text) > room:
        text = f"{text[: room // 2]}\n…\n{text[-room // 2 :]}"
    return ModelRequest(
        model=model,
        system=SYSTEM,
        messages=(FromUser(text=text),),
        max_tokens=most,
        conversation=f"{conversation}/summary",
    )


def summary_in(said: FromModel, reply: ModelReply) -> str:
    """Raises NoSummary: it will be all that the model is shown of what was said before, so nothing is none."""
    text = said.text.strip()
    if text and (reply.stop == "end" or (reply.stop == "length" and len(text) >= LEAST_SUMMARY)):
        return text
    match reply.stop:
        case "refused":
            why = "it refused"
        case "length":
            why = f"its {reply.usage.output_tokens:,} tokens were used up before it had said it"
        case _:
            why = "it said nothing"
    raise NoSummary(
        f"{reply.model} was to summarise a conversation that fills its window, and {why}. The conversation is as it "
        "was: go on in it with another model, or with one that has a larger window."
    )


def _line(spoke: Spoke) -> str:
    said = spoke.said
    text = (
        said.text if len(said.text) <= SHORTENED else f"{said.text[: SHORTENED // 2]} … {said.text[-SHORTENED // 2 :]}"
    )
    match said:
        case FromModel(uses=uses):
            used = "".join(
                f" [uses {use.name} {use.model_dump_json(include={'arguments'})[:SHORTENED]}]" for use in uses
            )
            return f"Assistant: {text}{used}"
        case FromTool():
            return f"Tool{' (failed)' if said.failed else ''}: {text}"
        case FromUser():
            return f"User: {text}"
