import json
import re
import shlex
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
from resprout.actors.roles import Greet, Greeting
from resprout.runtime.cli.hints import as_given
from resprout.runtime.client import Client
from resprout.runtime.settings import load
from support.stack import Stack, eventually, resprout


def test_an_agent_is_asked_shown_listed_and_its_history_read(stack: Stack) -> None:
    agent = f"greeter/{uuid4().hex}"

    replies = [stack("agent", "ask", agent, "greeter.greet", "-i", "name=ada", "--json") for _ in range(2)]

    assert [json.loads(reply.stdout)["body"]["times"] for reply in replies] == [1, 2], replies[0].stderr
    shown = json.loads(stack("agent", "show", agent, "--json").stdout)
    assert (shown["state"], shown["turns"]) == ({"times": 2}, 2)
    listed = json.loads(stack("agent", "list", "--kind", "greeter", "--limit", "10000", "--json").stdout)
    assert agent in [row["agent"] for row in listed]
    history = json.loads(stack("agent", "history", agent, "--json").stdout)
    assert [row["reply"]["times"] for row in history] == [2, 1]
    assert agent in stack("agent", "show", agent).stdout


def test_a_message_asked_again_with_its_id_counts_once(stack: Stack) -> None:
    agent, message = f"greeter/{uuid4().hex}", str(uuid4())
    words = ["agent", "ask", agent, "greeter.greet", "-i", "name=ada", "--id", message, "--json"]

    first, second = stack(*words), stack(*words)

    assert first.stdout == second.stdout
    assert json.loads(stack("agent", "show", agent, "--json").stdout)["turns"] == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ask", "greeter", "greeter.greet"], "write kind/key"),
        (["ask", "nobody/ada", "greeter.greet", "-i", "name=a"], "no agent class has the kind 'nobody'"),
        (["ask", "greeter/ada", "greeter.grete"], "no message type is named"),
        (["ask", "greeter/ada", "greeter.greeting", "-i", "text=a", "-i", "times=1"], "no handler for"),
        (["ask", "greeter/ada", "greeter.greet"], "name: Field required"),
        (["ask", "greeter/ada", "greeter.greet", "-i", "name=a", "--timeout", "0"], "in the past"),
        (["ask", "greeter/ada", "greeter.greet", "-i", "name=a", "--id", "x"], "must be a UUID"),
        (["ask", "greeter/ada", "greeter.greet", "-i", "name=a", "--priority", "urgent"], "--priority"),
        (
            ["tell", "greeter/", "greeter.greet", "-i", "name=a"],
            "'greeter/' is not an agent address: ''",
        ),
        (["list", "--kind", "gretter"], "there is no kind 'gretter'. Nearest: greeter. `resprout agent kinds"),
        (["find", "--kind", "gretter"], "there is no kind 'gretter'"),
        (["kinds", "--kind", "gretter"], "there is no kind 'gretter'"),
        (["dead-letters", "--kind", "gretter"], "there is no kind 'gretter'"),
        (["dead-letters", "gretter/ada"], "there is no kind 'gretter'"),
        (["history", "gretter/ada"], "there is no kind 'gretter'"),
        (["mailbox", "gretter/ada"], "there is no kind 'gretter'"),
        (["show", "gretter/ada"], "there is no kind 'gretter'"),
        (["list", "--kind", "zzz"], "there is no kind 'zzz'. `resprout agent kinds"),
        (["publish", "news", "greeter.greet", "-i", "name=a", "--id", "x"], "must be a UUID"),
        (["tell", "nobody/ada", "greeter.greet", "-i", "name=a"], "no agent class has the kind 'nobody'"),
        (["tell", "greeter/ada", "clerk.work"], "no handler for"),
        (["tell", "greeter/ada", "greeter.greet", "-i", "name=a", "--deadline", "-1"], "in the past"),
        (["ask", "clerk/a", "clerk.call-back", "-i", "to=clerk/b"], "clerk/a → clerk/b → clerk/a"),
        (["ask", "clerk/a", "clerk.call-back", "-i", "to=clerk/a"], "clerk/a → clerk/a"),
        (["publish", "", "greeter.greet", "-i", "name=a"], "is not an agent key"),
        (["stop", "greeter"], "write kind/key"),
        (["show", "greeter/never-asked"], "has no state"),
        (["release", "greeter/never-asked"], "is not in quarantine"),
        (["mailbox", "Greeter/ada"], "is not an agent kind"),
        (["replay"], "--all ADDRESS"),
        (["replay", "x"], "must be a UUID"),
        (["replay", "01890a5d-ac96-774b-bcce-b302099a8057"], "there is no dead letter"),
        (["replay", "01890a5d-ac96-774b-bcce-b302099a8057", "--agent", "clerk/a"], "of clerk/a"),
        (["dead-letters", "clerk/a", "--kind", "clerk"], "give one of them"),
        (["find", "--label", "floor"], "is not K=V"),
        (["find", "--health", "sick"], "--health"),
        (["catalogue", "--output", "/proc/no/file"], "cannot be written"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(stack: Stack, words: list[str], sentence: str) -> None:
    done = stack("agent", *words)

    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["ask", "tell"])
def test_a_message_over_the_limit_is_refused(stack: Stack, tmp_path: Path, way: str) -> None:
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"words": "x" * 1_100_000}))

    done = stack("agent", way, "clerk/a", "clerk.work", "--input-file", str(file))

    assert done.returncode == 2
    assert "1,000,000" in done.stderr
    assert "reference" in done.stderr


def test_a_full_mailbox_is_told_as_something_that_passes(stack: Stack) -> None:
    agent = f"small-desk/{uuid4().hex}"
    stack("agent", "tell", agent, "clerk.work", "-i", "think_seconds=20")

    done = stack("agent", "tell", agent, "clerk.work")

    assert done.returncode == 3
    assert "is full" in done.stderr
    assert "try again" in done.stderr


def test_an_agent_that_answers_too_late_leaves_the_outcome_unknown(stack: Stack) -> None:
    agent = f"greeter/{uuid4().hex}"
    host = psutil.Process(stack.host_pid())

    host.suspend()
    try:
        done = stack("agent", "ask", agent, "greeter.greet", "-i", "name=a", "--timeout", "1")
    finally:
        host.resume()

    assert done.returncode == 4
    assert f"{agent} did not answer `greeter.greet` in time" in done.stderr
    assert "same id" in done.stderr
    again = re.search(r"--id (\S+)", done.stderr)
    assert again is not None
    assert UUID(again[1]).version == 7


def test_a_command_that_an_error_names_has_the_data_directory_of_the_one_that_failed(stack: Stack) -> None:
    done = stack("agent", "show", "greeter/never-asked")

    assert f"See `resprout agent list --data-dir {stack.data_dir}`" in done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ([], "`resprout up`"),
        (["agent", "list", "--data-dir", "a dir"], "`resprout up --data-dir 'a dir'`"),
        (["--config=x.toml", "--data-dir=d", "up"], "`resprout up --config x.toml --data-dir d`"),
        (["run", "--", "--data-dir", "d"], "`resprout up`"),
    ],
)
def test_hints_repeat_the_global_options(words: list[str], hint: str) -> None:
    assert as_given("Say `resprout up`, or mend `ray.address`.", words) == f"Say {hint}, or mend `ray.address`."


def test_an_option_in_a_hint_is_ours_and_stands_there_once() -> None:
    words = ["--data-dir", "d"]

    once = as_given("`resprout sandbox exec box -- ls -l`, `resprout status`", words)

    assert once == "`resprout sandbox exec box --data-dir d -- ls -l`, `resprout status --data-dir d`"
    assert as_given(once, words) == once


def test_what_is_published_again_with_its_id_is_published_once(stack: Stack) -> None:
    agent, topic = f"clerk/{uuid4().hex}", uuid4().hex
    stack("agent", "ask", agent, "clerk.follow", "-i", f"topic={topic}")

    first = stack("agent", "publish", topic, "clerk.work", "--json")
    message = json.loads(first.stdout)["message_id"]
    again = stack("agent", "publish", topic, "clerk.work", "--id", message)
    last = stack("agent", "publish", topic, "clerk.work", "-i", "by=100")

    assert message in again.stdout, again.stderr
    assert last.returncode == 0
    eventually(lambda: _count(stack, agent) >= 101, "the last one has arrived")
    assert _count(stack, agent) == 101


def _count(stack: Stack, agent: str) -> int:
    done = stack("agent", "ask", agent, "clerk.work", "-i", "by=0", "--json")
    return int(json.loads(done.stdout)["body"]["count"])


def test_a_listing_names_where_to_go_on_so_that_a_shell_takes_it(stack: Stack) -> None:
    agent = f"wary-clerk/ {uuid4().hex} [a]*"
    stack("agent", "ask", agent, "clerk.work")

    listed = stack("agent", "list", "--kind", "wary-clerk", "--limit", "1")

    assert f"--after {shlex.quote(agent)}" in listed.stderr


def test_without_a_stack_an_ask_says_how_to_start_one(own_stack: Stack) -> None:
    done = own_stack("agent", "ask", "greeter/ada", "greeter.greet", "-i", "name=a")

    assert done.returncode == 3
    assert "resprout up" in done.stderr


async def test_python_asks_with_types(stack: Stack) -> None:
    settings = load({("data_dir",): str(stack.data_dir)}, {}).settings

    async with await Client.connect(settings) as client:
        reply = await client.agent(f"greeter/{uuid4().hex}").ask(Greet(name="ada"))

    assert reply == Greeting(text="Hello ada!", times=1)


@pytest.mark.parametrize(
    "command",
    [
        "", "ask", "tell", "publish", "stop", "show", "list", "history", "mailbox", "release", "dead-letters", "replay",
        "kinds", "find", "hosts", "catalogue",
    ],
)  # fmt: skip
def test_every_agent_command_explains_itself(command: str) -> None:
    assert "Usage" in resprout("agent", *command.split(), "--help").stdout
