"""What an agent might try to get around a denial, each refused with the reason, and on record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from resprout.activities.tools.builtin.code import python
from resprout.activities.tools.digest import digest_of
from resprout.activities.tools.manifest import Permission
from resprout.activities.tools.place import reads
from resprout.activities.tools.policy import Decision, Denied, Question, Verdict
from resprout.actors.errors import NotFound, Rejected
from resprout.memory.audit import Audit
from resprout.memory.database import Database
from resprout.memory.grants import Grant, Grants
from resprout.runtime.policy import Policy, granting
from resprout.runtime.policy.policy import FixedGrants
from resprout.runtime.policy.rules import load
from support.waiting import until_found

AGENT = ("user:ada", "run:publish", "agent:writer/a")
FETCH = Permission(action="net.connect", on="example.org:443")


@dataclass
class Office:
    """A database with its policy, and the person who owns it."""

    database: Database
    policy: Policy
    grants: Grants
    audit: Audit

    async def grant(self, *given: Grant, by: str = "user:ada") -> list[Grant]:
        checked = [granting.checked(one, self.policy.rules) for one in given]
        return await granting.grant(self.database, self.policy, checked, by)


@pytest.fixture
async def office(dsn: str) -> AsyncIterator[Office]:
    async with await Database.open(dsn, pool_size=4) as database:
        grants = Grants(database.opened)
        yield Office(database, Policy(load(owner="ada"), grants), grants, Audit(database.opened))


def call(chain: Sequence[str] = AGENT, needs: Sequence[Permission] = (FETCH,), **words: Any) -> Question:
    usual: dict[str, Any] = {"tenant": "default", "run": "r", "version": "2.0.0", "newest": "2.0.0", "tool": "http.get"}
    return Question(**(usual | {"chain": chain, "action": "tool.call", "permissions": needs} | words))


def allow(principal: str, *actions: str, **words: Any) -> Grant:
    return Grant("default", principal, actions=actions, granted_by="user:ada", **words)


async def test_an_agent_that_grants_itself_rights_is_refused_and_on_record(office: Office) -> None:
    await office.grant(Grant("default", "*", role="admin"))  # to an agent by its name it cannot be given

    with pytest.raises(Denied, match=r"agent:writer/a is no person: only people may policy\.grant"):
        await office.grant(allow("agent:writer/a", "net.connect:*"), by="agent:writer/a")

    (attempt,) = await office.audit.search(kind="refused")
    assert list(attempt.chain) == ["agent:writer/a"]
    assert attempt.verdict == "deny"
    assert "net.connect:*" in attempt.arguments
    assert (await office.policy.decide(call())).verdict == "deny"


async def test_an_agent_that_revokes_a_denial_of_itself_is_refused(office: Office) -> None:
    (denial,) = await office.grant(Grant("default", "agent:*", "deny", tools=("http.*",)))

    with pytest.raises(Denied, match="no person"):
        await granting.revoke(office.database, office.policy, "default", denial.id, "agent:writer/a")

    assert (await office.audit.search(kind="refused"))[0].step == f"grant-{denial.id}"


async def test_an_agent_gets_no_more_through_a_sub_agent(office: Office) -> None:
    await office.grant(allow("agent:fetcher/f", "net.connect:*"), allow("user:ada", "net.connect:*"))

    alone = await office.policy.decide(call(("user:ada", "agent:fetcher/f")))
    through = await office.policy.decide(call(("user:ada", "agent:writer/a", "agent:fetcher/f")))

    assert alone.verdict == "allow"
    assert through.verdict == "deny"
    assert through.reasons == (
        "agent:writer/a is not granted net.connect:example.org:443; `resprout policy grant agent:writer/a --action "
        "net.connect:example.org:443 --tool http.get` would allow it.",
    )


async def test_an_agent_gets_no_more_by_an_older_version(office: Office) -> None:
    await office.grant(allow("*", "net.connect:*"))
    await office.grant(Grant("default", "agent:*", "deny", tools=("http.get@2",)))

    newest, older = [await office.policy.decide(call(version=version)) for version in ("2.0.0", "1.0.0")]

    assert newest.verdict == older.verdict == "deny"
    assert any("may not choose http.get@1.0.0: the newest is 2.0.0" in reason for reason in older.reasons)


@pytest.mark.parametrize(
    ("by", "asked_by", "verdict"),
    [
        ("agent:writer/a", AGENT, "deny"),
        ("agent:other/o", AGENT, "deny"),
        ("run:publish", AGENT, "deny"),
        ("user:bob", ("user:bob", "agent:writer/a"), "deny"),
        ("user:bob", AGENT, "allow"),
        ("user:ada", ("user:ada",), "deny"),
        ("user:ada", AGENT, "allow"),  # who owns the stack has no colleagues
        ("user:eve", AGENT, "deny"),
    ],
)
async def test_nobody_answers_what_he_asks(by: str, asked_by: tuple[str, ...], verdict: Verdict) -> None:
    roles = [Grant("default", who, role="approver") for who in ("user:bob", "agent:*", "run:*")]
    question = Question(
        chain=(by,), tenant="default", run="r", action="approval.answer", subject="a", asked_by=asked_by
    )

    decision = await Policy(load(owner="ada"), FixedGrants(roles)).decide(question)

    assert decision.verdict == verdict
    assert bool(decision.reasons) == (verdict == "deny")


def test_an_approval_is_for_these_arguments_of_this_version_alone() -> None:
    approved = digest_of("http.post", "1.0.0", {"url": "https://example.org", "body": {"a": 1, "b": 2}})

    assert approved == digest_of("http.post", "1.0.0", {"body": {"b": 2, "a": 1}, "url": "https://example.org"})
    assert approved != digest_of("http.post", "1.0.1", {"url": "https://example.org", "body": {"a": 1, "b": 2}})
    assert approved != digest_of("http.post", "1.0.0", {"url": "https://example.org", "body": {"a": 1, "b": "2"}})


async def test_a_grant_counts_at_once_and_its_end_too(office: Office) -> None:
    before = await office.policy.decide(call())
    (given,) = await office.grant(allow("*", "net.connect:example.org:443"))
    during = await office.policy.decide(call())
    await granting.revoke(office.database, office.policy, "default", given.id, "user:ada")
    after = await office.policy.decide(call())

    assert [one.verdict for one in (before, during, after)] == ["deny", "allow", "deny"]
    assert len({before.policy, during.policy}) == 2
    kinds = [row.kind for row in await office.audit.search()]
    assert kinds == ["revoked", "granted"]
    with pytest.raises(NotFound, match=f"no grant {given.id} holds"):
        await granting.revoke(office.database, office.policy, "default", given.id, "user:ada")


async def test_what_another_process_grants_counts_at_once(office: Office) -> None:
    elsewhere = Policy(load(owner="ada"), office.grants)
    assert (await elsewhere.decide(call())).verdict == "deny"

    await office.grant(allow("*", "net.connect:*"))

    assert (await elsewhere.decide(call())).verdict == "allow"


async def test_what_another_process_revokes_counts_within_a_second(office: Office) -> None:
    elsewhere = Policy(load(owner="ada"), office.grants)
    (given,) = await office.grant(allow("*", "net.connect:*"))
    assert (await elsewhere.decide(call())).verdict == "allow"

    await granting.revoke(office.database, office.policy, "default", given.id, "user:ada")

    await until_found(lambda: elsewhere.decide(call()), lambda decision: decision.verdict == "deny", patience=5)


async def test_what_was_revoked_during_a_look_at_the_grants_counts_no_more() -> None:
    class Slow(FixedGrants):
        now = 1
        asked, go = asyncio.Event(), asyncio.Event()

        async def generation(self) -> int:
            seen = self.now
            self.asked.set()
            await self.go.wait()
            return seen

    grants = Slow([allow("*", "net.connect:*")])
    grants.go.set()
    policy = Policy(load(), grants)
    assert (await policy.decide(call())).verdict == "allow"
    grants.asked.clear()
    grants.go.clear()
    looking = asyncio.create_task(policy.decide(call(needs=[Permission(action="code.run", on="python")])))
    await grants.asked.wait()

    grants.grants, grants.now = [], 2
    policy.forget()
    grants.go.set()
    await looking

    assert (await policy.decide(call())).verdict == "deny"


async def test_a_grant_that_ends_while_its_answer_is_remembered_counts_no_more() -> None:
    now = [1_000.0]
    ends = datetime.fromtimestamp(1_060, UTC)
    policy = Policy(load(), FixedGrants([allow("*", "net.connect:*", expires_at=ends)]), clock=lambda: now[0])
    assert (await policy.decide(call())).verdict == "allow"

    now[0] = 1_060.0

    assert (await policy.decide(call())).verdict == "deny"


async def test_when_the_grants_cannot_be_read_nothing_is_decided() -> None:
    class Gone(FixedGrants):
        async def generation(self) -> int:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await Policy(load(), Gone()).decide(call(needs=()))


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        (Grant("default", "ada", actions=("net.connect:*",)), "'ada' names nobody"),
        (Grant("default", "*"), "say what is granted"),
        (Grant("default", "*", actions=("network:*",)), "there is no action 'network'"),
        (Grant("default", "*", actions=("net.connect:example.org",)), "lacks a port"),
        (Grant("default", "*", actions=("files.read:/srv/[ab]",)), "the only wildcard is"),
        (Grant("default", "*", tools=("http.get@latest",)), "names no range of versions"),
        (Grant("default", "user:ada", role="god"), "there is no role 'god': there are admin, approver"),
        (Grant("default", "user:ada", "deny", role="admin"), "a role is given"),
    ],
)
def test_a_grant_that_cannot_be_meant_is_refused(grant: Grant, said: str) -> None:
    with pytest.raises(Rejected, match=said.replace("[", r"\[")):
        granting.checked(grant, load())


async def test_own_rules_can_only_make_an_answer_stricter(tmp_path: Any) -> None:
    (tmp_path / "hours.rego").write_text(
        "package resprout.own\nimport rego.v1\n"
        'deny contains "ada said \\"no\\"" if input.arguments.url == "https://bad.example"\n'
        'approve contains "it is for the auditors" if startswith(input.tool, "http.")\n'
    )
    policy = Policy(load(tmp_path), FixedGrants())

    async def asked(url: str, tool: str, needs: Sequence[Permission] = ()) -> Decision:
        return await policy.decide(call(needs=needs, tool=tool, arguments={"url": url}))

    assert (await asked("https://good.example", "text.count")).verdict == "allow"
    assert (await asked("https://good.example", "http.get")).reasons == ("it is for the auditors",)
    assert (await asked("https://bad.example", "http.get")).reasons == ('ada said "no"',)
    assert (await asked("https://good.example", "http.get", (FETCH,))).verdict == "deny"


@pytest.mark.parametrize("files", ["private/a", "private?a", "**", "p*/a", "private", "[pq]rivate/a", "*"])
async def test_denied_files_are_denied_as_part_of_a_pattern_or_a_folder_too(files: str) -> None:
    denial = Grant("*", "*", "deny", ("files.read:workspace:private/*",))
    policy = Policy(load(), FixedGrants([allow("*", "code.run:python"), denial]))

    decision = await policy.decide(
        call(tool="python.run", needs=python.needs(python.parse({"code": "1", "files": [files]})))
    )

    assert decision.verdict == "deny"


async def test_denied_files_are_denied_to_who_lists_the_whole_workspace() -> None:
    policy = Policy(load(), FixedGrants([Grant("*", "*", "deny", ("files.read:workspace:*.key",))]))

    whole, one = [(await policy.decide(call(needs=[reads(path)]))).verdict for path in (".", "notes.txt")]

    assert (whole, one) == ("deny", "allow")


async def test_an_own_rule_by_the_time_is_asked_again_when_the_time_has_come(tmp_path: Any) -> None:
    rule = 'package resprout.own\nimport rego.v1\ndeny contains "it is closed" if input.now > 1000\n'
    (tmp_path / "hours.rego").write_text(rule)
    now = [10.0]
    policy = Policy(load(tmp_path), FixedGrants(), clock=lambda: now[0])
    assert (await policy.decide(call(needs=()))).verdict == "allow"

    now[0] = 2_000.0

    assert (await policy.decide(call(needs=()))).reasons == ("it is closed",)
