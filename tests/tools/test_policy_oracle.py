"""The rules in Rego against the same said again in Python: the engine in our process has been found to differ from OPA
in places, and cases alone would not show where."""

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version
from resprout.activities.tools.manifest import Permission
from resprout.activities.tools.policy import Question, Verdict
from resprout.memory.grants import Grant
from resprout.runtime.policy.engine import Engine
from resprout.runtime.policy.granted import as_data, that_may_matter
from resprout.runtime.policy.rules import load

RULES = load()
ENGINE = Engine(RULES)

PRINCIPALS = ("user:ada", "user:bob", "run:publish", "agent:writer/a", "agent:reader/b")
PATTERNS = (*PRINCIPALS, "*", "agent:*", "agent:writer/*", "role:operator", "user:*")
NEEDS = (
    *("net.connect:a.org:443", "net.connect:b.org:80", "net.connect:*.org:443", "runs.start:f", "runs.start:*"),
    *("files.read:notes", "files.read:/srv/x", "files.read:/srv", "files.read:workspace:.", "files.read:[x]?/a"),
)
ACTIONS = (
    *("net.connect:*", "net.connect:*.org:443", "net.connect:A.org:443", "files.*:/srv/*", "files.read:workspace:a/*"),
    *("files.read:x*/a", "runs.start:g", "*:*", "tool.call"),
)
TOOLS = ("http.get", "http.*", "*", "http.get@1", "http.get@>=1.2,<2", "http.get@1.10.0", "text.count")
VERSIONS = ("1.0.0", "1.2.0", "1.9.1", "1.10.0", "2.0.0")


def _permission(action: str, on: str) -> Permission:
    return Permission.model_validate({"action": action, "on": on})


grants = st.builds(
    Grant,
    tenant=st.sampled_from(("default", "default", "*", "blue")),
    principal=st.sampled_from(PATTERNS),
    verdict=st.sampled_from(("allow", "allow", "approve", "deny")),
    actions=st.lists(st.sampled_from(ACTIONS), max_size=2).map(tuple),
    tools=st.lists(st.sampled_from(TOOLS), max_size=2).map(tuple),
    id=st.integers(1, 1_000),
).filter(lambda grant: bool(grant.actions or grant.tools))
roles = st.builds(
    Grant, tenant=st.just("default"), principal=st.sampled_from(PRINCIPALS), role=st.sampled_from(("operator", "admin"))
)
questions = st.builds(
    Question,
    chain=st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=3, unique=True).map(tuple),
    tenant=st.just("default"),
    run=st.none(),
    action=st.just("tool.call"),
    tool=st.just("http.get"),
    version=st.sampled_from(VERSIONS),
    newest=st.sampled_from(("1.10.0", "2.0.0", "")),
    danger=st.sampled_from(("none", "high")),
    permissions=st.lists(st.sampled_from(NEEDS), max_size=2, unique=True).map(
        lambda needs: tuple(_permission(*need.split(":", 1)) for need in needs)
    ),
)


@given(st.lists(grants, max_size=4), st.lists(roles, max_size=2), questions)
@settings(max_examples=150, deadline=None)
def test_the_rules_decide_as_their_description_says(given_: list[Grant], held: list[Grant], question: Question) -> None:
    everything = [*given_, *held]
    data = list(that_may_matter([as_data(one) for one in everything], question))

    assert ENGINE.decide(question, data, 0.0)["verdict"] == verdict_of(everything, question)


def verdict_of(everything: Sequence[Grant], question: Question) -> Verdict:
    found = {one for who in question.chain for one in _of_one(everything, question, who)}
    return "deny" if "deny" in found else "approve" if "approve" in found else "allow"


def _of_one(everything: Sequence[Grant], question: Question, who: str) -> set[Verdict]:
    tenant = [one for one in everything if one.tenant in ("*", question.tenant)]
    held = {f"role:{one.role}" for one in tenant if one.role is not None and _fits(one.principal, who)}
    mine = [one for one in tenant if one.role is None and (_fits(one.principal, who) or one.principal in held)]
    found = {_of_need(mine, held, question, need) for need in (None, *question.permissions)}
    if question.danger == "high" and not any(_spares(one, question) for one in mine):
        found.add("approve")
    machine = any(not one.startswith(("user:", "run:")) for one in question.chain)
    pins = any(_names(one, question, ("allow", "approve"), ranged=True) for one in mine)
    if machine and question.version != question.newest and not pins:
        found.add("deny")
    return found


def _of_need(mine: Sequence[Grant], held: set[str], question: Question, need: Permission | None) -> Verdict:
    said: list[tuple[int, Verdict]] = []
    is_covering = False
    for one in mine:
        weights = [_literal(on) for on in _fitting(one, need)]
        is_covering = is_covering or ((bool(weights) or not one.actions) and _is_by(one, question))
        if one.verdict != "allow":
            weights += [_literal(on) for on in _meeting(one, need)]
        if (weights or not one.actions) and _is_by(one, question):
            tool = max((_literal(t.split("@")[0]) for t in one.tools if _fits(t.split("@")[0], "http.get")), default=0)
            weight = max([0, *weights]) * 1_000_000 + tool * 1_000 + _literal(one.principal)
            said.append((weight, one.verdict))
    if need is not None and need.action == "runs.start" and held:
        said.append((-1, "allow"))
        is_covering = True
    if need is None or (need.action == "files.read" and not need.on.startswith("/")):
        said.append((-2, "allow"))
        is_covering = True
    if not is_covering or any(verdict == "deny" for _, verdict in said):
        return "deny"
    heaviest = max(weight for weight, _ in said)
    return "approve" if (heaviest, "approve") in said else "allow"


def _fitting(one: Grant, need: Permission | None) -> list[str]:
    """The patterns of what it is done to, where they fit."""
    action, on = ("tool.call", "http.get") if need is None else (need.action, need.on)
    pairs = [(text.partition(":")[0], text.partition(":")[2] or "*") for text in one.actions]
    lower = action == "net.connect"
    return [p for a, p in pairs if _fits(a, action) and _fits(p.lower() if lower else p, on.lower() if lower else on)]


def _meeting(one: Grant, need: Permission | None) -> list[str]:
    """The patterns that may have something in common with a need that is a pattern or a folder."""
    if need is None:
        return []
    pairs = [(text.partition(":")[0], text.partition(":")[2] or "*") for text in one.actions]
    ons = [on for action, on in pairs if _fits(action, need.action)]
    if need.action.startswith("files."):
        many = {"workspace:.": "workspace:*"}.get(need.on) or re.sub(r"[?\[\]]", "*", need.on)
        return [on for on in ons if on.split("*")[0].startswith(f"{need.on}/") or _may_meet(on, many)]
    return [on for on in ons if _may_meet(on.lower() if need.action == "net.connect" else on, need.on)]


def _may_meet(pattern: str, many: str) -> bool:
    (begin, end), (begins, ends) = ((text.split("*")[0], text.split("*")[-1]) for text in (pattern, many))
    alike = begin.startswith(begins) or begins.startswith(begin)
    return "*" in many and alike and (end.endswith(ends) or ends.endswith(end))


def _spares(one: Grant, question: Question) -> bool:
    """The approval of high danger."""
    is_to_call = not one.actions or {"tool.call", "*:*"} & set(one.actions)
    return bool(is_to_call) and _names(one, question, ("allow",), named_only=True)


def _is_by(one: Grant, question: Question) -> bool:
    return not one.tools or _names(one, question, (one.verdict,))


def _names(
    one: Grant, question: Question, verdicts: Sequence[str], *, named_only: bool = False, ranged: bool = False
) -> bool:
    for text in one.tools:
        name, _, wanted = text.partition("@")
        fits = _fits(name, "http.get") and _in_range(wanted, question.version, deny=one.verdict == "deny")
        if fits and one.verdict in verdicts and not (named_only and "*" in name) and not (ranged and not wanted):
            return True
    return False


def _in_range(wanted: str, version: str, *, deny: bool) -> bool:
    """A denial reaches down to the oldest."""
    low, high = {
        "": ("0", "99"),
        "1": ("1", "2"),
        ">=1.2,<2": ("1.2", "2"),
        "1.10.0": ("1.10.0", "1.10.1"),
    }[wanted]
    return (deny or Version(version) >= Version(low)) and Version(version) < Version(high)


def _fits(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value) is not None


def _literal(pattern: str) -> int:
    return len(pattern.replace("*", ""))
