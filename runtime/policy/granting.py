"""Grants as people write them: checked word by word, decided by policy itself, and on record before they hold.

The invariant: a grant and its row in the audit log commit together, and a refused attempt is on record, too.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

from ...activities.tools.manifest import Action
from ...activities.tools.policy import Decision, Denied, Question
from ...actors.errors import NotFound, Rejected
from ...memory.audit import Audit, AuditEvent
from ...memory.database import Database
from ...memory.grants import Grant, Grants
from .policy import Policy
from .ranges import tool_pattern
from .rules import Rules

ACTIONS = (*get_args(Action), "tool.call")
MACHINES = ("agent:", "run:", "service:", "tenant:")
_PRINCIPAL = re.compile(r"(user|agent|run|tenant|service|role):.{1,250}")
_UNCLEAR = set("[]{}?\\")


def checked(grant: Grant, rules: Rules) -> Grant:
    """The same grant; what cannot be meant is refused."""
    if grant.principal != "*" and not _PRINCIPAL.fullmatch(grant.principal):
        raise Rejected(f"{grant.principal!r} names nobody: write user:ada, agent:researcher/*, run:publish or '*'.")
    if (grant.role is None) == (not grant.actions and not grant.tools):
        raise Rejected("say what is granted: --action or --tool, or --role alone.")
    if grant.role is not None:
        _check_role(grant, rules)
    for action in grant.actions:
        _check_action(action)
    for tool in grant.tools:
        tool_pattern(tool)
    for pattern in (grant.principal, *grant.actions):
        if _UNCLEAR & set(pattern) or not pattern.isprintable():
            raise Rejected(f"{pattern!r}: the only wildcard is *, and brackets, ? and backslashes cannot be granted.")
    return grant


def _check_role(grant: Grant, rules: Rules) -> None:
    if grant.role not in rules.roles or grant.role == "everyone":
        known = ", ".join(sorted(rules.roles.keys() - {"everyone"}))
        raise Rejected(f"there is no role {grant.role!r}: there are {known}.")
    if grant.verdict != "allow" or grant.principal.startswith("role:"):
        raise Rejected("a role is given to principals, without --approve or --deny; `resprout policy revoke` takes it.")
    if grant.principal.startswith(MACHINES):
        raise Rejected(_no_role_for(grant, rules.roles[grant.role]))


def _no_role_for(grant: Grant, role: dict[str, Any]) -> str:
    """A role is a person's: what it lets a person decide, no machine may, and the rest can be granted by itself."""
    never = f", and no agent, run or service ever may {role['may'][0]}" if role["may"] else ""
    said = f"{grant.principal} cannot be {grant.role}: roles are for people{never}."
    actions = [word for action in role["allow"] for word in ("--action", action)]
    words = ["resprout", "policy", "grant", grant.principal, *actions]
    tenant = ["--tenant", grant.tenant] if grant.tenant != "default" else []
    return f"{said} `{shlex.join([*words, *tenant])}` gives it what it can have of that role."


def _check_action(action: str) -> None:
    name, _, on = action.partition(":")
    known = [one for one in ACTIONS if re.fullmatch(".*".join(map(re.escape, name.split("*"))), one)]
    if not known:
        raise Rejected(f"there is no action {name!r}: there are {', '.join(ACTIONS)}.")
    if name == "net.connect" and on and on != "*" and ":" not in on:
        raise Rejected(f"{action!r} lacks a port: write {action}:443, or {action}:* for every port.")


async def grant(database: Database, policy: Policy, given: Sequence[Grant], by: str) -> list[Grant]:
    """All or none."""
    decisions = [await _refuse_unless_allowed(database, policy, "policy.grant", one, by) for one in given]

    by_principal = {one.principal: decision for one, decision in zip(given, decisions, strict=True)}
    added = await _grants(database).add(given, lambda one: _event("granted", one, by, by_principal[one.principal]))
    policy.forget()
    return added


async def revoke(database: Database, policy: Policy, tenant: str, number: int, by: str) -> Grant:
    decision = await _refuse_unless_allowed(database, policy, "policy.revoke", Grant(tenant, "*", id=number), by)

    gone = await _grants(database).revoke(tenant, number, by, lambda one: _event("revoked", one, by, decision))
    if gone is None:
        raise NotFound(f"no grant {number} holds in the tenant {tenant}: see `resprout policy grants`.")
    policy.forget()
    return gone


async def _refuse_unless_allowed(
    database: Database, policy: Policy, action: Literal["policy.grant", "policy.revoke"], about: Grant, by: str
) -> Decision:
    subject = str(about.id) if about.id else about.principal
    question = Question(chain=(by,), tenant=about.tenant, run=None, action=action, subject=subject)
    decision = await policy.decide(question)
    if decision.verdict != "allow":
        await Audit(database.opened).append([_event("refused", about, by, decision)])
        raise Denied(" ".join(decision.reasons))
    return decision


def _event(kind: str, about: Grant, by: str, decision: Decision) -> AuditEvent:
    told = {name: value for name, value in asdict(about).items() if value and not name.endswith("_at")}
    if about.expires_at is not None:
        told["expires_at"] = about.expires_at.isoformat()
    return AuditEvent(
        kind=kind,
        tenant=about.tenant,
        chain=(by,),
        step=f"grant-{about.id}",
        verdict=decision.verdict,
        reasons=decision.reasons,
        arguments=told,
        policy=decision.policy,
        grounds=decision.grounds,
    )


def _grants(database: Database) -> Grants:
    return Grants(database.opened)
