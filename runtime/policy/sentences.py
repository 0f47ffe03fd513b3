"""What was found, said to people, with what they can do about it.

What is to be pasted into a shell is quoted: an agent may have chosen the text.
"""

import base64
import json
import shlex
from collections.abc import Sequence
from typing import Any

from ...activities.tools.policy import Question
from .rules import Rules

Finding = dict[str, Any]


def sentences(answer: dict[str, Any], question: Question, rules: Rules, granted: Sequence[Finding]) -> tuple[str, ...]:
    """The reasons of the verdict, and none of a milder one. `granted`: the grants, as the rules go by them."""
    verdict = answer["verdict"]
    found = [one for one in answer["findings"] if one["verdict"] == verdict]
    said = {_sentence(why, group, question, rules, granted): None for (why, group) in _grouped(found)}
    own = {"deny": answer["own_denials"], "approve": answer["own_approvals"]}.get(verdict, [])
    return (*said, *(_decoded(one) for one in own))


def grounds(answer: dict[str, Any]) -> tuple[str, ...]:
    """Which grants and roles made the verdict what it is; `rules` where it was none of them."""
    verdict = answer["verdict"]
    found = [by for one in answer["findings"] if one["verdict"] == verdict for by in one.get("by") or ["rule"]]
    named = {_ground(by) for by in (answer["grounds"] if verdict == "allow" else found)} - {"rules"}
    own = {"deny": answer["own_denials"], "approve": answer["own_approvals"]}.get(verdict)
    return (*sorted(named, key=_order), *(["own rules"] if own else [])) or ("rules",)


def _ground(by: Any) -> str:
    return f"grant {by}" if isinstance(by, int) else "rules" if by == "rule" else f"role {by}"


def _order(ground: str) -> tuple[str, int]:
    kind, _, number = ground.partition(" ")
    return kind, int(number) if number.isdigit() else 0


def _grouped(found: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """What differs by the principal only is one sentence: it is one command, too, that changes it."""
    groups: dict[str, list[Finding]] = {}
    for one in found:
        groups.setdefault(json.dumps([one["why"], one.get("need"), one.get("by")]), []).append(one)
    return [(group[0]["why"], group) for group in groups.values()]


def _sentence(why: str, group: list[Finding], question: Question, rules: Rules, granted: Sequence[Finding]) -> str:
    principals = [one for one in dict.fromkeys(question.chain) if one in {found["principal"] for found in group}]
    who, verb = _listed(principals), "is" if len(principals) == 1 else "are"
    what = _need(group[0].get("need"), question)
    tool = question.tool
    match why:
        case "denied":
            numbers = group[0]["by"]
            return f"{who} {verb} denied {what} by {_grants(numbers)}; {_revoking(numbers, granted)} would lift that."
        case "not granted":
            need = group[0]["need"]
            wanted = f"{need['action']}:{need['on']}"
            grant = _command(question, principals, "--action", wanted, "--tool", tool)
            return f"{who} {verb} not granted {what}; {grant} would allow it."
        case "granted so":
            return f"{who} {verb} granted {what} with an approval only, by {_grants(group[0]['by'])}."
        case "danger":
            grant = _command(question, principals, "--action", "tool.call", "--tool", tool)
            return f"{tool} is of high danger, so somebody must approve it; {grant} would spare that."
        case "older":
            newest = f"the newest is {question.newest}" if question.newest else "which is the newest is not known"
            grant = _command(question, principals, "--action", "tool.call", "--tool", f"{tool}@{question.version}")
            return f"{who} may not choose {tool}@{question.version}: {newest}; {grant} would allow it."
        case "no version":
            return f"{question.version!r} is no version of {tool}; write it as in 1.2.0."
        case "malformed":
            return f"{what} is not written plainly, without `..` and, of a host, with its port; write it so."
        case _:
            return _duty(why, who, verb, question, rules)


def _duty(why: str, who: str, verb: str, question: Question, rules: Rules) -> str:
    match why:
        case "machine":
            return f"{who} {verb} no person: only people may {question.action}, whatever was granted. Ask one."
        case "no role":
            able = [role for role, known in rules.roles.items() if question.action in known["may"] and role != "owner"]
            command = _command(question, [question.actor], "--role", able[0])
            others = f" (so would the role {' or '.join(able[1:])})" if able[1:] else ""
            return f"{who} {verb} in no role that may {question.action}; {command} by an admin would allow it{others}."
        case "own asking":
            cancel = (
                f"`{shlex.join(['resprout', 'runs', 'cancel', question.run])}`" if question.run else "its run's end"
            )
            return f"it was asked in the name of {who}: somebody else must answer it; {cancel} would withdraw it."
        case "asker unknown":
            return "it is not known who asked, so nobody may answer."
        case _:
            return f"{who}: {why}."


def _need(need: dict[str, str] | None, question: Question) -> str:
    if need is None or need["action"] == "tool.call":
        return f"the use of {question.tool}"
    return json.dumps(f"{need['action']}:{need['on'][:200]}")[1:-1]


def _command(question: Question, principals: Sequence[str], *options: str) -> str:
    """That works as it stands, in the tenant that was asked about."""
    return f"`{shlex.join(['resprout', 'policy', 'grant', *principals, *options, *_tenant(question.tenant)])}`"


def _revoking(numbers: Sequence[int], granted: Sequence[Finding]) -> str:
    """A grant is revoked in its own tenant, which may be all of them."""
    tenants = {one["id"]: one["tenant"] for one in granted}
    by_tenant: dict[str, list[str]] = {}
    for number in numbers:
        by_tenant.setdefault(tenants.get(number, "default"), []).append(str(number))
    commands = [["resprout", "policy", "revoke", *held, *_tenant(tenant)] for tenant, held in by_tenant.items()]
    return " and ".join(f"`{shlex.join(words)}`" for words in commands)


def _tenant(tenant: str) -> tuple[str, ...]:
    return ("--tenant", tenant) if tenant != "default" else ()


def _grants(numbers: Sequence[Any]) -> str:
    named = [f"grant {number}" if isinstance(number, int) else f"the role {number}" for number in numbers]
    return _listed(named)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _decoded(said: str) -> str:
    text = base64.b64decode(said).decode(errors="replace")
    try:
        return str(json.loads(f'"{text}"'))  # the engine keeps texts as they are escaped in JSON
    except ValueError:
        return text
