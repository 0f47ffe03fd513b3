"""What tools give an agent, kept out of the history: there stands a reference, and as much as a person needs to see."""

from collections.abc import Awaitable, Callable, Sequence

from ..actors.brain import Heard, as_heard
from ..actors.errors import NotFound
from .contracts import HeardAside, KeptAside, ToolDone

Keep = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes]]]  # gives the keys
Fetch = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes | None]]]  # by keys; None: not kept any more

PREVIEW = 160  # characters
LARGEST_HEARD = 60_000  # characters of one result that the model is shown
MOST_HEARD = 600_000  # of all results of one move: they go to the brain in one message


async def aside(done: ToolDone, longest: int, keep: Keep) -> ToolDone:
    text = as_heard(done.output)
    if len(text) <= longest:
        return done
    (key,) = await keep([text.encode()])
    kept = KeptAside(key=key.hex(), characters=len(text), preview=text[:PREVIEW])
    return done.model_copy(update={"output": None, "aside": kept})


async def brought_back(heard: Sequence[Heard | HeardAside], fetch: Fetch) -> tuple[Heard, ...]:
    """Raises NotFound for what is not kept any more."""
    away = [one for one in heard if isinstance(one, HeardAside)]
    contents = await fetch([bytes.fromhex(one.aside.key) for one in away]) if away else []
    found: dict[str, bytes | None] = {one.use: content for one, content in zip(away, contents, strict=True)}
    longest = min(LARGEST_HEARD, MOST_HEARD // max(len(heard), 1))
    return tuple(_heard(one, found, longest) for one in heard)


def _heard(one: Heard | HeardAside, found: dict[str, bytes | None], longest: int) -> Heard:
    if isinstance(one, Heard):
        return one.model_copy(update={"text": _shortened(one.text, longest)})
    content = found[one.use]
    if content is None:
        raise NotFound(f"the result {one.aside.key[:12]} of a tool is not kept any more: start the run anew.")
    return Heard(use=one.use, text=_shortened(content.decode(), longest))


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    left_out = len(text) - longest
    return f"{text[: longest // 2]}\n… {left_out:,} characters are left out here …\n{text[-longest // 2 :]}"
