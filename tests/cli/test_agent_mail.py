"""Telling agents things from outside, and what becomes of messages that cannot be handled."""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.actors.errors import CallCycle, DeadlineInPast, MailboxFull, TooLarge
from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from support.counting import AskOther, Count, Increment, Log, Tally, Wait
from support.stack import LONG_LEASE, Stack, eventually, stack_of


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    tests = Path(__file__).resolve().parents[1]
    agents = {"RESPROUT_AGENTS_MODULES": "support.counting", "RESPROUT_AGENTS_PATH": str(tests)}
    with stack_of({**agents, **LONG_LEASE}) as stack:
        stack.up()
        yield stack


def ok(stack: Stack, *words: str) -> str:
    done = stack("agent", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def count_of(stack: Stack, agent: str) -> int:
    return int(json.loads(ok(stack, "ask", agent, "test.increment", "-i", "by=0", "--json"))["body"]["count"])


def reached(stack: Stack, agent: str, count: int) -> bool:
    return count_of(stack, agent) == count


def test_what_is_told_is_kept_and_handled_once(stack: Stack) -> None:
    agent, message = f"tally/{uuid4().hex}", str(uuid4())

    for _ in range(2):
        told = json.loads(ok(stack, "tell", agent, "test.increment", "--id", message, "--priority", "high", "--json"))

    assert told == {"message_id": message}
    eventually(lambda: count_of(stack, agent) == 1, "it was counted once")
    history = json.loads(ok(stack, "history", agent, "--json"))
    assert [(row["message_id"], row["type"]) for row in history if row["message_id"] == message] == [
        (message, "test.increment")
    ]


def test_a_dead_letter_is_listed_and_replayed_with_its_id(stack: Stack) -> None:
    agent = f"tally/{uuid4().hex}"
    message = json.loads(ok(stack, "tell", agent, "test.fail", "--json"))["message_id"]

    def letters() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(ok(stack, "dead-letters", agent, "--json"))
        return found

    (letter,) = eventually(letters, "the message is given up")
    assert (letter["message_id"], letter["attempts"]) == (message, 3)
    assert "as asked" in str(letter["error"])
    assert message in ok(stack, "dead-letters", agent)
    assert message in ok(stack, "replay", message)
    eventually(letters, "it failed again, and is there again")
    assert message in ok(stack, "replay", "--all", agent)


def test_an_agent_in_quarantine_is_released(stack: Stack) -> None:
    agent = f"wary/{uuid4().hex}"
    ok(stack, "tell", agent, "test.fail")
    eventually(lambda: json.loads(ok(stack, "dead-letters", agent, "--json")), "the message is given up")

    refused = stack("agent", "ask", agent, "test.increment")
    assert refused.returncode == 3
    assert f"resprout agent release {agent}" in refused.stderr
    ok(stack, "tell", agent, "test.increment")
    assert json.loads(ok(stack, "mailbox", agent, "--json"))[0]["type"] == "test.increment"
    found = json.loads(ok(stack, "find", "--health", "quarantined", "--json"))
    assert agent in [row["agent"] for row in found]

    assert "as asked" in ok(stack, "release", agent)

    eventually(lambda: count_of(stack, agent) == 1, "what waited was handled")


def test_a_stopped_agent_comes_back_with_its_next_message(stack: Stack) -> None:
    agent = f"tally/{uuid4().hex}"
    ok(stack, "ask", agent, "test.increment")

    assert "was put away" in ok(stack, "stop", agent)
    assert "was not in memory" in ok(stack, "stop", agent)

    assert count_of(stack, agent) == 1


def test_a_topic_reaches_its_subscribers(stack: Stack) -> None:
    topic, agents = uuid4().hex, [f"tally/{uuid4().hex}" for _ in range(2)]
    for agent in agents:
        ok(stack, "ask", agent, "test.follow", "-i", f"topic={topic}")

    ok(stack, "publish", topic, "test.increment", "-i", "by=3")

    for agent in agents:
        eventually(partial(reached, stack, agent, 3), "the topic reached it")


def test_the_registry_knows_kinds_hosts_and_agents(stack: Stack) -> None:
    def kinds() -> set[str]:
        return {row["kind"] for row in json.loads(ok(stack, "kinds", "--json"))}

    eventually(lambda: {"tally", "greeter"} <= kinds(), "hosts have said what they run")
    (able,) = json.loads(ok(stack, "kinds", "--capability", "counting", "--json"))
    assert able["kind"] == "able"
    agent = f"able/{uuid4().hex}"
    ok(stack, "ask", agent, "test.increment")
    (found,) = json.loads(ok(stack, "find", "--capability", "counting", "--label", "size=small", "--json"))
    assert (found["agent"], found["health"], found["capabilities"]) == (agent, "healthy", ["counting"])
    assert found["labels"] == {"size": "small", "mood": "good"}
    (host,) = [row for row in json.loads(ok(stack, "hosts", "--json")) if row["alive"] and row["pool"] == ""]
    assert host["shards"] == 128
    assert json.loads(ok(stack, "catalogue"))["kinds"]["able"]["capabilities"][0]["permissions"] == ["count"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["tell", "tally/a", "test.slow", "-i", "seconds=1"], 2, "no handler for"),
        (["tell", "nobody/a", "test.increment"], 2, "no agent class has the kind"),
        (["tell", "tally/", "test.increment"], 2, "not an agent key"),
        (["tell", "tally/a", "test.increment", "--deadline", "-1"], 2, "has passed already"),
        (["tell", "tally/a", "test.increment", "--priority", "urgent"], 2, "low, normal, high, critical"),
        (["ask", "circle/a", "test.ask-other", "-i", "to=circle/a"], 2, "circle/a → circle/a"),
        (["replay", "not-an-id"], 2, "not a message id"),
        (["replay", "00000000-0000-0000-0000-000000000000"], 2, "there is no dead letter"),
        (["replay"], 2, "say which"),
        (["release", "tally/a"], 2, "not in quarantine"),
        (["find", "--label", "x"], 2, "not K=V"),
        (["find", "--health", "fine"], 2, "healthy, stale, quarantined"),
        (["catalogue", "--output", "/nowhere/at/all.json"], 2, "cannot be written"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(stack: Stack, words: list[str], code: int, sentence: str) -> None:
    done = stack("agent", *words)

    assert done.returncode == code, done.stdout + done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_payload_over_the_limit_is_refused_from_the_cli(stack: Stack, tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"word": "x" * 1_000_001}))

    done = stack("agent", "tell", "tally/a", "test.log", "--input-file", str(large))

    assert done.returncode == 2
    assert "the limit is 1,000,000" in done.stderr


def test_python_without_a_loop_and_its_errors(stack: Stack, tmp_path: Path) -> None:
    """`Client.in_thread`: the same in a notebook; and each mistake its own error."""
    agent, awaited = f"tally/{uuid4().hex}", tmp_path / "awaited"

    with Client.in_thread(_settings(stack)) as client:
        assert client.ask(agent, Increment(by=2)) == Count(count=2)
        client.tell(agent, Increment(by=0))
        with pytest.raises(TooLarge):
            client.ask(agent, Log(word="x" * 1_000_001))
        with pytest.raises(DeadlineInPast):
            client.ask(agent, Increment(), timeout=-_second())
        with pytest.raises(CallCycle):
            client.ask("circle/a", AskOther(to="circle/b"))
        client.tell(agent, Wait(path=str(awaited)))
        with pytest.raises(MailboxFull, match="try again"):
            [client.tell(agent, Increment(by=0)) for _ in range(60)]
        awaited.touch()


async def test_handlers_are_called_by_name_and_typed(stack: Stack) -> None:
    async with await Client.connect(_settings(stack)) as client:
        reply = await client.of(Tally, uuid4().hex).increment(Increment(by=4))

    assert reply.count == 4


def _settings(stack: Stack) -> Settings:
    return Settings(data_dir=stack.data_dir)


def _second() -> timedelta:
    return timedelta(seconds=1)
