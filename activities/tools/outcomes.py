"""How a call ended, as it is written down, and as it is read from the record by whoever asks again.

The invariant: one attempt's word counts. Who ends after another has said how it ended, or has taken over, gives what is
on record, and leaves a row that it was late: so two have done it, and that is to be known.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ...actors.errors import Broken, OutcomeUnknown, Rejected, Unavailable, storable
from ...actors.logger import get_logger
from ...memory.audit import AuditEvent
from ...memory.effect import Effect
from ...memory.effects import Effects
from ..contracts import ToolDone, ToolInDoubt
from ..sandbox.backend import InDoubt
from ..to_the_end import to_the_end
from .plan import Plan
from .tool import ToolError

log = get_logger("resprout.tools")


LARGEST_RESULT = 1_000_000  # bytes of JSON
ENDED = "the process that called it ended before it could say what became of it."


class RecordedFailure(Broken, of_one_text=False):
    """The tool failed, now or when the step was tried before."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[1])


@dataclass(frozen=True)
class Outcomes:
    """What one attempt says of its calls."""

    effects: Effects
    audit: Callable[[Sequence[AuditEvent]], Awaitable[None]]
    owner: UUID

    async def done(self, plan: Plan, output: Any) -> ToolDone | ToolInDoubt:
        if unkept := _unkept(output):  # it was done all the same, so that this is no answer of the tool
            return await self._ended_badly(plan, *unkept, is_answer=False)
        if await to_the_end(self._write_good_end(plan, output)):
            return ToolDone(tool=plan.reference, output=output)
        return await self.on_record(plan.key)

    async def refused(self, plan: Plan, error: Rejected) -> ToolDone | ToolInDoubt:
        """Before the tool was reached."""
        return await self._ended_badly(plan, type(error).__name__, str(error), is_answer=True)

    async def cancelled(self, plan: Plan) -> None:
        await to_the_end(self._write_bad_end(plan, "Cancelled", "the run was cancelled.", is_answer=False))

    async def failed(self, plan: Plan, error: Exception, said: str) -> ToolDone | ToolInDoubt:
        kind, manifest = type(error).__name__, plan.tool.manifest
        match error:
            case TimeoutError():
                said = f"it took longer than {manifest.timeout.total_seconds():g} s."
                return await self._ended_badly(plan, "Timeout", said, is_answer=False)
            case InDoubt():
                await to_the_end(self._doubt(plan, said))
                return await self.on_record(plan.key)
            case ToolError() | Rejected():
                return await self._ended_badly(plan, kind, said, is_answer=True)
            case Unavailable() | OutcomeUnknown():
                if manifest.contract != "at-most-once":
                    raise error  # the step is tried again
                return await self._ended_badly(plan, kind, said, is_answer=False)
            case _:
                log.error("a tool failed", tool=manifest.reference, error=f"{kind}: {said}")
                return await self._ended_badly(plan, "ToolFailed", f"{kind}: {said}", is_answer=False)

    async def left(self, effect: Effect) -> ToolDone | ToolInDoubt:
        """A call that may happen once, and that its process left without a word."""
        await self.effects.doubt(effect.key, effect.owner, ENDED, [event_of(effect, "in-doubt", ENDED)])
        return await self.on_record(effect.key)

    async def on_record(self, key: str) -> ToolDone | ToolInDoubt:
        """Which may be the word of another attempt, or not be said yet."""
        latest = await self.effects.find(key)
        if latest is None or not has_ended(latest):
            raise Unavailable(f"another worker has taken over the call {key}. It is asked for again.")
        return recorded(latest)

    async def _ended_badly(self, plan: Plan, kind: str, said: str, *, is_answer: bool) -> ToolDone | ToolInDoubt:
        await to_the_end(self._write_bad_end(plan, kind, said, is_answer=is_answer))
        return await self.on_record(plan.key)

    async def _write_good_end(self, plan: Plan, output: Any) -> bool:
        """False: another attempt has said how it ended."""
        if await self.effects.done(plan.key, self.owner, output, [plan.event("done")]):
            return True
        await self.audit([plan.event("late", reasons=("it was done.",))])
        return False

    async def _write_bad_end(self, plan: Plan, kind: str, said: str, *, is_answer: bool) -> None:
        """`is_answer`: the tool says that it did not do it. Else who knows: a flow that tries again does so by another
        key, so that what has a key is in doubt as well."""
        said = storable(said)
        if plan.tool.manifest.contract != "safe-to-retry" and not is_answer:
            first = await self._doubt(plan, f"it ended by {kind}: {said}")
        else:
            event = plan.event("failed", reasons=(said,))
            first = await self.effects.failed(plan.key, self.owner, kind, said, [event])
        if not first:
            await self.audit([plan.event("late", reasons=(said,))])

    async def _doubt(self, plan: Plan, known: str) -> bool:
        known = storable(known)
        return await self.effects.doubt(plan.key, self.owner, known, [plan.event("in-doubt", reasons=(known,))])


def has_ended(effect: Effect) -> bool:
    return effect.state in ("done", "failed", "in-doubt")


def recorded(effect: Effect) -> ToolDone | ToolInDoubt:
    reference = f"{effect.tool}@{effect.version}"
    match effect.state:
        case "done":
            return ToolDone(tool=reference, output=json.loads(effect.result or "null"))
        case "in-doubt":
            return ToolInDoubt(tool=reference, effect=effect.key, known=effect.error or "")
        case _:
            raise RecordedFailure(effect.error_type or "ToolError", f"{reference}: {effect.error}")


def _unkept(output: Any) -> tuple[str, str] | None:
    """Why it cannot be kept: as the kind of a failure, and in words."""
    try:
        size = len(json.dumps(output, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        said = f"it was done, but what it gave has {half!a} in it, half of a character, and cannot be kept."
        return "ToolFailed", said
    if size > LARGEST_RESULT:
        said = f"it was done, but gave {size:,} bytes, and {LARGEST_RESULT:,} are kept: let it write into its "
        return "TooLarge", said + "workspace, or ask for less."
    return None


def event_of(effect: Effect, kind: str, why: str) -> AuditEvent:
    """For whoever has the record of a call, and no plan of it."""
    return AuditEvent(
        kind=kind,
        tenant=effect.tenant,
        chain=effect.chain,
        run=effect.run,
        step=effect.key,
        tool=effect.tool,
        version=effect.version,
        arguments=json.loads(effect.arguments),
        reasons=(why,),
    )
