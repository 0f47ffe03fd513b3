"""The end of a call that an attempt before has begun, and whose tool is not there any more: nobody can go on with it.

What is true of it: what may be repeated failed, for once is as good as twice and it was not done to the end; what a
person said was not done, and was to be done again, failed, too; of the others nobody knows, and a person is asked.
"""

from uuid import UUID

from ...memory.effect import Effect
from ...memory.effects import Effects
from .outcomes import event_of

GONE = "UnknownTool"


async def end_without_tool(effects: Effects, effect: Effect, owner: UUID, said: str) -> None:
    """`said`: which tool is missing. Another attempt may have ended it meanwhile: its word holds."""
    if effect.state == "again":
        if await effects.take_over(effect, owner, []):
            why = f"{effect.resolved_by} would have it done again, but {said}"
            await effects.failed(effect.key, owner, GONE, why, [event_of(effect, "failed", why)])
        return
    why = f"the process that called it ended before it could say what became of it, and nobody can ask: {said}"
    if effect.contract == "safe-to-retry":
        await effects.failed(effect.key, effect.owner, GONE, why, [event_of(effect, "failed", why)])
    else:
        await effects.doubt(effect.key, effect.owner, why, [event_of(effect, "in-doubt", why)])
