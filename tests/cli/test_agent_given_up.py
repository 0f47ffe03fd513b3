"""What is told, given up and set aside, as a person at a terminal meets it."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.stack import Result, Stack, eventually


@pytest.fixture
def clerk() -> str:
    return f"clerk/{uuid4().hex}"


def told(done: Result) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def asked(stack: Stack, *words: str) -> Any:
    done = stack("agent", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def dead_letter(stack: Stack, agent: str) -> Any:
    (letter,) = eventually(lambda: asked(stack, "dead-letters", agent), "a dead letter")
    return letter


def test_what_is_told_is_handled_and_stands_in_the_history(stack: Stack, clerk: str) -> None:
    message = told(stack("agent", "tell", clerk, "clerk.work", "-i", "by=3", "--priority", "high", "--tenant", "us"))

    (row,) = eventually(lambda: asked(stack, "history", clerk), "the message is handled")

    assert (row["message_id"], row["type"], row["turn"], row["reply"]) == (message, "clerk.work", 1, {"count": 3})
    assert row["sender"].startswith("client:")
    assert "clerk.work" in stack("agent", "history", clerk).stdout


def test_a_message_told_again_with_its_id_counts_once(stack: Stack, clerk: str) -> None:
    message = str(uuid4())
    words = ["tell", clerk, "clerk.work", "--id", message]

    assert [asked(stack, *words)["message_id"] for _ in range(2)] == [message, message]

    assert asked(stack, "ask", clerk, "clerk.work", "-i", "by=0")["body"] == {"count": 1}


def test_the_mailbox_shows_what_waits(stack: Stack, clerk: str) -> None:
    stack("agent", "tell", clerk, "clerk.work", "-i", "think_seconds=120")
    waiting = told(stack("agent", "tell", clerk, "clerk.work", "--priority", "low"))

    row = asked(stack, "mailbox", clerk)[-1]

    assert (row["message_id"], row["type"], row["priority"], row["attempts"]) == (waiting, "clerk.work", "low", 0)
    assert asked(stack, "show", clerk)["waiting"] == 2
    assert waiting in stack("agent", "mailbox", clerk).stdout


def test_a_dead_letter_is_listed_and_replayed_with_its_id(stack: Stack, clerk: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    cause = tmp_path / "cause"
    message = told(stack("agent", "tell", clerk, "clerk.deliver", "-i", f"path={cause}"))

    letter = dead_letter(stack, clerk)
    assert (letter["message_id"], letter["type"], letter["attempts"]) == (message, "clerk.deliver", 1)
    assert f"[{cause}]" in letter["error"]
    assert message in stack("agent", "dead-letters", "--kind", "clerk").stdout
    assert asked(stack, "show", clerk)["dead_letters"] == 1

    cause.touch()
    assert message in told(stack("agent", "replay", message, "--agent", clerk))

    (row,) = eventually(lambda: asked(stack, "history", clerk), "the letter is handled")
    assert row["message_id"] == message
    assert asked(stack, "dead-letters", clerk) == []
    assert stack("agent", "replay", message).returncode == 2


def test_all_dead_letters_of_an_agent_are_replayed(stack: Stack, clerk: str, tmp_path: Path) -> None:
    cause = tmp_path / "cause"
    for _ in range(2):
        told(stack("agent", "tell", clerk, "clerk.deliver", "-i", f"path={cause}"))
    eventually(lambda: len(asked(stack, "dead-letters", clerk)) == 2, "both are given up")

    cause.touch()
    assert told(stack("agent", "replay", "--all", clerk)).count("back in the mailbox") == 2

    eventually(lambda: len(asked(stack, "history", clerk)) == 2, "both are handled")


def test_an_agent_in_quarantine_is_found_and_goes_on_when_released(stack: Stack) -> None:
    agent = f"wary-clerk/{uuid4().hex}"
    stack("agent", "tell", agent, "clerk.deliver", "-i", "path=/nowhere")
    dead_letter(stack, agent)

    refused = stack("agent", "ask", agent, "clerk.work")
    assert refused.returncode == 3
    assert f"resprout agent release {agent}" in refused.stderr
    assert "/nowhere" in asked(stack, "show", agent)["quarantined"]
    set_aside = asked(stack, "find", "--health", "quarantined", "--kind", "wary-clerk")
    assert agent in [one["agent"] for one in set_aside]
    told(stack("agent", "tell", agent, "clerk.work", "-i", "by=5"))

    told(stack("agent", "release", agent))

    eventually(lambda: asked(stack, "show", agent)["turns"] == 1, "what waited is handled")
    assert asked(stack, "ask", agent, "clerk.work")["body"] == {"count": 6}


def test_an_agent_without_mail_is_released_too(stack: Stack) -> None:
    agent = f"wary-clerk/{uuid4().hex}"
    stack("agent", "tell", agent, "clerk.deliver", "-i", "path=/nowhere")
    dead_letter(stack, agent)

    told(stack("agent", "release", agent))

    assert asked(stack, "ask", agent, "clerk.work")["body"] == {"count": 1}


def test_a_published_message_reaches_the_subscribers(stack: Stack, clerk: str) -> None:
    topic = uuid4().hex
    stack("agent", "ask", clerk, "clerk.follow", "-i", f"topic={topic}")

    told(stack("agent", "publish", topic, "clerk.work", "-i", "by=7"))

    eventually(lambda: asked(stack, "show", clerk)["state"] == {"count": 7}, "the subscriber has it")


def test_a_stopped_agent_comes_back_with_its_state(stack: Stack, clerk: str) -> None:
    asked(stack, "ask", clerk, "clerk.work")

    assert "was put away" in told(stack("agent", "stop", clerk))
    assert "was not in memory" in told(stack("agent", "stop", clerk))

    assert asked(stack, "ask", clerk, "clerk.work")["body"] == {"count": 2}
