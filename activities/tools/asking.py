"""Puts a call before people when policy wants them asked, with what it would change.

The invariant: that nothing can be shown keeps nobody from asking; who decides is told why instead.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ...actors.errors import ResproutError, storable
from ...actors.logger import get_logger
from ...memory.approvals import Approval, Approvals, Asked
from ..contracts import ToolWaits
from .plan import Begin, Plan
from .policy import Decision
from .tool import ToolCall

log = get_logger("resprout.tools")

PREVIEW_SECONDS = 10
DEFAULT_EXPIRY = timedelta(days=7).total_seconds()


@dataclass(frozen=True)
class Asking:
    approvals: Approvals
    uses: Callable[[Plan, Begin], ToolCall]  # what a preview may use

    async def ask(self, plan: Plan, decision: Decision) -> Approval:
        seconds = decision.expires_seconds or DEFAULT_EXPIRY
        asked = Asked(
            id=plan.key,
            kind="tool",
            tenant=plan.request.tenant,
            run=plan.run,
            task=plan.request.task,
            title=plan.reference,
            chain=plan.request.chain,
            who=decision.who,
            tool=plan.tool.name,
            version=plan.tool.manifest.version,
            arguments=plan.arguments,
            digest=plan.digest,
            shown=await self._preview(plan),
            reasons=decision.reasons,
            lasts=timedelta(seconds=seconds),
        )
        return await self.approvals.ask(asked, [plan.decided(decision)])

    async def _preview(self, plan: Plan) -> Any:
        if plan.tool.preview is None:
            return None
        try:
            async with asyncio.timeout(PREVIEW_SECONDS):
                shown = await plan.tool.preview(self.uses(plan, Begin(datetime.now(UTC))), plan.parsed)
            json.dumps(shown, ensure_ascii=False).encode()  # who is asked must be able to read it
            return shown
        except TimeoutError:
            return {"problem": "it took too long to see what would change."}
        except ResproutError as error:
            return {"problem": storable(str(error))}
        except Exception as error:  # noqa: BLE001 - a preview's defect is for who decides to know, and no answer
            said = storable(f"{type(error).__name__}: {error}")
            log.error("a preview failed", tool=plan.reference, error=said)
            return {"problem": f"what would change cannot be shown: {said}"}


def waits(plan: Plan, approval: Approval) -> ToolWaits:
    left = (approval.expires_at - approval.seen_at).total_seconds() if approval.expires_at is not None else None
    return ToolWaits(
        tool=plan.reference,
        approval=approval.id,
        arguments=plan.arguments,
        reasons=tuple(approval.reasons),
        who=tuple(approval.who),
        seconds_left=left,
    )
