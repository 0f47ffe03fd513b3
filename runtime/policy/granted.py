"""The grants in force, as the rules go by them, and those of them that can matter to a question.

The rules decide; what is left out here is only what could not fit, so that they need not look at every grant there is.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from ...activities.tools.policy import Question
from ...memory.grants import Grant
from .ranges import tool_pattern

Data = dict[str, Any]
_MANY = re.compile(r"[*?\[]")  # where a need begins to stand for several things


def as_data(grant: Grant) -> Data:
    pairs = [action.partition(":") for action in grant.actions]
    return {
        "id": grant.id,
        "tenant": grant.tenant,
        "principal": grant.principal,
        "verdict": grant.verdict,
        "actions": [{"action": action, "on": on or "*"} for action, _, on in pairs],
        "tools": [tool_pattern(tool) for tool in grant.tools],
        "role": grant.role,
        "expires": grant.expires_at.timestamp() if grant.expires_at is not None else None,
    }


def that_may_matter(grants: Sequence[Data], question: Question) -> Iterator[Data]:
    needs = [("tool.call", question.tool), *((need.action, need.on.lower()) for need in question.permissions)]
    # With a grant for a tool a version may be chosen, and danger taken, whatever its actions are.
    by_tool_alone = question.danger == "high" or question.version != question.newest
    for grant in grants:
        if (
            _may_be_of(grant, question)
            and _may_be_about_its_tool(grant, question)
            and (_may_speak_of(grant, needs) or (by_tool_alone and grant["tools"]))
        ):
            yield grant


def _may_be_of(grant: Data, question: Question) -> bool:
    pattern = grant["principal"]
    of_principal = pattern.startswith("role:") or any(_fits(pattern, one) for one in question.chain)
    return of_principal and grant["tenant"] in ("*", question.tenant)


def _may_be_about_its_tool(grant: Data, question: Question) -> bool:
    return not grant["tools"] or any(_fits(tool["name"], question.tool) for tool in grant["tools"])


def _may_speak_of(grant: Data, needs: Sequence[tuple[str, str]]) -> bool:
    return not grant["actions"] or any(
        _fits(one["action"], action) and (_fits(one["on"].lower(), on) or _may_meet(grant, one["on"].lower(), on))
        for one in grant["actions"]
        for action, on in needs
    )


def _may_meet(grant: Data, pattern: str, need: str) -> bool:
    """Whether what is not allowed simply may lie within a need that is a pattern or a folder, by how both begin."""
    ours, theirs = pattern.partition("*")[0], _MANY.split("workspace:" if need == "workspace:." else need)[0]
    return grant["verdict"] != "allow" and (ours.startswith(theirs) or theirs.startswith(ours))


def _fits(pattern: str, value: str) -> bool:
    return pattern == "*" or pattern == value or ("*" in pattern and _compiled(pattern).fullmatch(value) is not None)


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
