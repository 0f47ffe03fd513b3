"""The end of a call that an attempt before has begun, and whose tool is not there any more: nobody can go on with it.

What is true of it: what may be repeated failed, for once is as good as twice and it was not done to the end; what a
person said was not done, and was to be done again, failed, too; of the others nobody knows, and a person is asked.
"""

import json
from uuid import UUID

from ...memory.audit import AuditEvent
from ...memory.effect import Effect
from ...memory.effects import Effects

GONE = "UnknownTool"


async def end_without_tool(effects: Effects, effect: Effect, owner: UUID, said: str) -> None:
    """`said`: which tool is missing. Another attempt may have ended it meanwhile: its word holds."""
    if effect.state == "again":
        if await effects.take_over(effect, owner, []):
            why = f"{effect.resolved_by} would have it done again, but {said}"
            await effects.failed(effect.key, owner, GONE, why, [_event(effect, "failed", why)])
        return
    why = f"the process that called it ended before it could say what became of it, and nobody can ask: {said}"
    if effect.contract == "safe-to-retry":
        await effects.failed(effect.key, effect.owner, GONE, why, [_event(effect, "failed", why)])
    else:
        await effects.doubt(effect.key, effect.owner, why, [_event(effect, "in-doubt", why)])


def _event(effect: Effect, kind: str, why: str) -> AuditEvent:
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
