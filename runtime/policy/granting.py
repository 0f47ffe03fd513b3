"""Grants as people write them: checked word by word, decided by policy itself, and on record before they hold.

The invariant: a grant and its row in the audit log commit together, and a refused attempt is on record, too.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal, get_args

from ...activities.tools.manifest import Action
from ...activities.tools.policy import Denied, Question
from ...actors.errors import NotFound, Rejected
from ...memory.audit import Audit, AuditEvent
from ...memory.database import Database
from ...memory.grants import Grant, Grants
from .policy import Policy
from .ranges import tool_pattern
from .rules import Rules

ACTIONS = (*get_args(Action), "tool.call")
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


def _check_action(action: str) -> None:
    name, _, on = action.partition(":")
    known = [one for one in ACTIONS if re.fullmatch(".*".join(map(re.escape, name.split("*"))), one)]
    if not known:
        raise Rejected(f"there is no action {name!r}: there are {', '.join(ACTIONS)}.")
    if name == "net.connect" and on and on != "*" and ":" not in on:
        raise Rejected(f"{action!r} lacks a port: write {action}:443, or {action}:* for every port.")


async def grant(database: Database, policy: Policy, given: Sequence[Grant], by: str) -> list[Grant]:
    """All or none."""
    for one in given:
        await _refuse_unless_allowed(database, policy, "policy.grant", one, by)

    added = await _grants(database).add(given, lambda one: _event("granted", one, by))
    policy.forget()
    return added


async def revoke(database: Database, policy: Policy, tenant: str, number: int, by: str) -> Grant:
    await _refuse_unless_allowed(database, policy, "policy.revoke", Grant(tenant, "*", id=number), by)

    gone = await _grants(database).revoke(tenant, number, by, lambda one: _event("revoked", one, by))
    if gone is None:
        raise NotFound(f"no grant {number} holds in the tenant {tenant}: see `resprout policy grants`.")
    policy.forget()
    return gone


async def _refuse_unless_allowed(
    database: Database, policy: Policy, action: Literal["policy.grant", "policy.revoke"], about: Grant, by: str
) -> None:
    subject = str(about.id) if about.id else about.principal
    question = Question(chain=(by,), tenant=about.tenant, run=None, action=action, subject=subject)
    decision = await policy.decide(question)
    if decision.verdict != "allow":
        event = replace(_event("refused", about, by), verdict="deny", reasons=decision.reasons, policy=decision.policy)
        await Audit(database.opened).append([event])
        raise Denied(" ".join(decision.reasons))


def _event(kind: str, about: Grant, by: str) -> AuditEvent:
    told = {name: value for name, value in asdict(about).items() if value and not name.endswith("_at")}
    if about.expires_at is not None:
        told["expires_at"] = about.expires_at.isoformat()
    return AuditEvent(
        kind=kind, tenant=about.tenant, chain=(by,), step=f"grant-{about.id}", verdict="allow", arguments=told
    )


def _grants(database: Database) -> Grants:
    return Grants(database.opened)
