"""What policy is asked before a call, and what it may answer.

The invariant: who acts for somebody else may never do more than he may. So a question names everybody on whose behalf
the call is made, the first first, and the strictest answer of all counts.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ...actors.errors import BadArgument, Rejected
from .manifest import Danger, Permission

# `user:ada`, `agent:researcher/alice`, `run:publish` (a flow by its name): kind and name.
Principal = Annotated[str, StringConstraints(pattern=r"^(user|agent|run|tenant|service):.{1,250}$")]

Verdict = Literal["allow", "approve", "deny"]  # `approve`: somebody must, before it happens
STRICTNESS: dict[Verdict, int] = {"allow": 0, "approve": 1, "deny": 2}


class Question(BaseModel):
    """May it happen? Everything that policy can go by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: Annotated[tuple[Principal, ...], Field(min_length=1, max_length=32)]  # whose will it is first, who acts last
    tenant: str
    run: str | None
    action: Literal[
        "tool.call",
        "approval.answer",
        "policy.grant",
        "policy.revoke",
        "effect.resolve",
        "tool.import",
        "tool.quota",
        "tool.deprecate",
        "budget.set",
    ]
    tool: str = ""  # name
    version: str = ""
    newest: str = ""  # the newest version of the tool, as a name alone would find it; a machine may call no other one
    source: str = ""  # built-in, plugin:…, mcp:…, openapi:…, manifest:…
    danger: Danger = "none"
    permissions: tuple[Permission, ...] = ()
    arguments: dict[str, Any] = {}  # secrets stand in it by reference
    subject: str = ""  # of other actions: the approval, the grant, the effect
    asked_by: tuple[Principal, ...] = ()  # of `approval.answer`: the chain that asked

    @property
    def actor(self) -> str:
        return self.chain[-1]


def question_of(**facts: Any) -> Question:
    """What policy cannot be asked about is the caller's mistake, and is the same however often it is tried."""
    try:
        return Question(**facts)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise BadArgument(
            f"policy cannot be asked about `{'.'.join(map(str, found['loc']))}`: {found['msg']}. A caller is a kind "
            "and a name of at most 250 characters, as in user:ada."
        ) from None


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    reasons: tuple[str, ...]  # sentences; of `deny` and `approve`, with what would change it
    who: tuple[str, ...] = ()  # of `approve`: who may; empty: everybody who may answer approvals, but not the asker
    expires_seconds: float | None = None  # of `approve`: how long the question stands
    policy: str = ""  # the digest of the rules and grants that it was decided by
    grounds: tuple[str, ...] = ()  # which of them made it so, as in `grant 7`, `role admin`, `rules`


class Decides(Protocol):
    async def decide(self, question: Question) -> Decision: ...


class Denied(Rejected):
    """Policy does not allow it, or somebody who was asked said no."""
