"""What each role may do, as the rules decide it: roles × tools × actions, for a page and for programs.

A role is asked for by somebody who has it and nothing else, directly. What an agent may do for him is never more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import get_args

from ...activities.tools.builtin import ALL
from ...activities.tools.manifest import Action, Danger, Permission, ToolManifest
from ...activities.tools.policy import Question, Verdict
from ...activities.tools.toolbox import Toolbox
from ...memory.grants import Grant
from .policy import FixedGrants, Policy
from .rules import Rules

TENANT = "default"
DUTIES = (
    "policy.grant",
    "policy.revoke",
    "approval.answer",
    "effect.resolve",
    "tool.import",
    "tool.quota",
    "tool.deprecate",
    "budget.set",
)
FILE = "notes.txt"  # in the workspace, since it is no absolute path
AGENT = "an agent"  # with no role: what it may do by itself


@dataclass(frozen=True)
class Row:
    what: str
    on: str
    verdicts: dict[str, Verdict]  # by role


async def of_actions(rules: Rules) -> list[Row]:
    """What any tool may do."""
    table = _Table(rules)
    rows = [Row("tool.call", "no permission needed", await table.of(_call()))]
    for action in get_args(Action):
        places = [("anywhere", "*")]
        if action.startswith("files."):
            places = [("in the workspace", FILE), ("elsewhere", "/srv/notes.txt")]
        rows += [Row(action, said, await table.of(_call(Permission(action=action, on=on)))) for said, on in places]
    rows.append(Row("tool.call", "of high danger", await table.of(_call(danger="high"))))
    return rows


async def of_duties(rules: Rules) -> list[Row]:
    table, rows = _Table(rules), []
    for duty in DUTIES:
        asked = Question(chain=("user:x",), tenant=TENANT, run=None, action=duty)
        if duty != "approval.answer":
            rows.append(Row(duty, "", await table.of(asked)))
            continue
        for said, asked_by in (
            ("asked by others", ("user:y",)),
            ("asked by an agent for him", ("user:x", "agent:a/b")),
            ("asked by himself", ("user:x",)),
        ):
            rows.append(Row(duty, said, await table.of(asked.model_copy(update={"asked_by": asked_by}))))
    return rows


async def of_tools(rules: Rules, tools: Iterable[ToolManifest]) -> list[Row]:
    """Each with all that it may do at most, to files in the workspace."""
    table, rows = _Table(rules), []
    for tool in tools:
        needs = tuple(Permission(action=one, on=FILE if one.startswith("files.") else "*") for one in tool.permissions)
        asked = _call(*needs, danger=tool.danger).model_copy(update={"tool": tool.name})
        rows.append(Row(tool.name, ", ".join(tool.permissions), await table.of(asked)))
    return rows


def shipped_tools() -> list[ToolManifest]:
    return [tool.manifest for tool in Toolbox(ALL).newest()]


def _call(*needs: Permission, danger: Danger = "none") -> Question:
    return Question(
        chain=("user:x",), tenant=TENANT, run=None, action="tool.call", tool="any.tool", version="1.0.0",
        newest="1.0.0", danger=danger, permissions=needs,
    )  # fmt: skip


class _Table:
    """Somebody for each role, and an agent: who is asked about stands for each of them in turn, as user:x."""

    def __init__(self, rules: Rules) -> None:
        self.roles = list(rules.roles)
        grants = [Grant(TENANT, f"user:{role}", role=role) for role in self.roles if role != "everyone"]
        self.policy = Policy(replace(rules, facts={**rules.facts, "owners": []}), FixedGrants(grants))

    async def of(self, asked: Question) -> dict[str, Verdict]:
        asking = {**{role: f"user:{role}" for role in self.roles}, AGENT: "agent:a/b"}
        return {who: (await self.policy.decide(_asked_by(asked, one))).verdict for who, one in asking.items()}


def _asked_by(asked: Question, who: str) -> Question:
    asked_by = tuple(who if one == "user:x" else one for one in asked.asked_by)
    return asked.model_copy(update={"chain": (who,), "asked_by": asked_by})


def as_markdown(rows: Iterable[Row], first: str) -> str:
    rows = list(rows)
    roles = list(rows[0].verdicts)
    lines = [f"| {first} | on | {' | '.join(roles)} |", f"| --- | --- |{' --- |' * len(roles)}"]
    lines += [f"| {row.what} | {row.on} | {' | '.join(row.verdicts[role] for role in roles)} |" for row in rows]
    return "\n".join(lines) + "\n"
