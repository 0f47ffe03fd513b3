"""Runs of agents whose host, worker or Temporal is killed in the middle: no tool acts twice, no call of a model that
was paid for is paid again, and the answer is the one that it would have been.

Effects are lines in a file and calls are counted by the provider, so who counts them is not who makes them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from resprout.runtime import temporal
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from runs.test_tools import say, until_exists
from support.model_server import Turn, Use
from support.providers import Providers
from support.runs import Run, Runs
from support.stack import Stack, eventually, kill, stack_of


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with Providers(tmp_path_factory.mktemp("providers")) as providers:
        yield providers


@pytest.fixture(scope="module")
def stack(providers: Providers) -> Iterator[Stack]:
    env = {
        "RESPROUT_AGENTS_MODULES": "support.world",
        "RESPROUT_AGENTS_PATH": str(Path(__file__).resolve().parents[1]),
        "RESPROUT_HOSTS_LEASE_SECONDS": "3",
        **providers.environment,
    }
    with stack_of(env) as stack:
        stack.up()
        yield stack


@pytest.fixture
async def runs(stack: Stack) -> Runs:
    stack.wait_healthy()
    settings = attach(Settings(data_dir=stack.data_dir), "temporal.address", "postgres.dsn")
    return Runs(await temporal.client_of(settings), stack)


def a_host(stack: Stack) -> int:
    return stack.host_pid()


def the_worker(stack: Stack) -> int:
    return stack.pid("worker")


def temporals_server(stack: Stack) -> int:
    return stack.pid("temporal")


@pytest.mark.parametrize(
    ("victim", "provider", "repeated"),  # calls at most: only a host has one in flight
    [(a_host, "scripted", 3), (a_host, "claude", 3), (the_worker, "scripted", 0), (temporals_server, "claude", 0)],
)
async def test_what_is_killed_in_the_middle_of_a_run_repeats_no_effect_and_no_more_than_one_call(
    runs: Runs, providers: Providers, tmp_path: Path, victim: Callable[[Stack], int], provider: str, repeated: int
) -> None:
    file, spoken, acted = tmp_path / "effects", tmp_path / "spoken", tmp_path / "acted"
    calls = (writes(file, "a", before=str(acted)), writes(file, "b"))
    model = providers.will(
        Turn(uses=calls, gate=str(spoken)), Turn(uses=(writes(file, "c"),)), Turn("done"), provider=provider
    )

    restarts = runs.stack.host_restarts()
    run = await runs.agent("write", model, tools=["world.keyed"])
    await run.until(lambda _: providers.heard(model))
    kill_it(runs.stack, victim)  # while the model speaks
    spoken.touch()
    await until_exists(Path(f"{file}.intended"))
    kill_it(runs.stack, victim)  # while a tool acts, and another has
    acted.touch()
    await run.until(lambda state: ended(state, "2.1"))
    last = kill_it(runs.stack, victim)  # between them
    result = await run.result()
    runs.stack.wait_for_another_host(last)  # then all restarts of hosts are told
    lost = runs.stack.host_restarts() - restarts - (3 if victim is a_host else 0)

    assert (result["answer"], result["iterations"], result["tool_calls"]) == ("done", 3, 3)
    assert effects_of(file) == Counter("abc")
    asked = Counter(providers.positions(model))
    assert set(asked) == {0, 1, 2}
    assert asked.total() - 3 <= repeated + lost
    assert max(asked.values()) <= 2 + lost


async def test_a_call_of_a_model_outlives_two_hosts(runs: Runs, providers: Providers, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    model = providers.will(Turn("done", gate=str(gate)))
    restarts = runs.stack.host_restarts()
    run = await runs.agent("say it", model)

    for calls in (1, 2):
        await run.until(lambda _, calls=calls: len(providers.heard(model)) >= calls)  # type: ignore[misc]
        last = kill_it(runs.stack, a_host)
    gate.touch()

    assert (await run.result())["answer"] == "done"
    runs.stack.wait_for_another_host(last)
    lost = runs.stack.host_restarts() - restarts - 2
    assert set(providers.positions(model)) == {0}
    assert 3 <= len(providers.positions(model)) <= 3 + lost


async def test_what_a_killed_worker_leaves_in_doubt_is_resolved_and_the_agent_hears_it(
    runs: Runs, providers: Providers, tmp_path: Path
) -> None:
    file, gate = tmp_path / "effects", tmp_path / "gate"
    uses = (Use("world.once", {"file": str(file), "line": "a", "after": str(gate)}), writes(file, "b"))
    model = providers.will(Turn(uses=uses), Turn("done"))
    run = await runs.agent("write", model, tools=["world.*"])
    await until_exists(Path(f"{file}.done"))

    kill_it(runs.stack, the_worker)
    state = await run.until(lambda state: state["approvals"])
    (doubt,) = state["approvals"]
    said = say(runs, "effects", "resolve", doubt["effect"], "done", "--result", '"found it there"')

    assert "does not wait" not in said
    assert (doubt["kind"], (await run.result())["answer"]) == ("in-doubt", "done")
    assert effects_of(file) == Counter("ab")
    assert [line.split()[1] for line in file.read_text().splitlines()].count("a") == 1  # by no other attempt either
    told = [one["content"] for one in providers.heard(model)[1]["messages"] if one["role"] == "tool"]
    assert told == ["found it there", "wrote b"]


def writes(file: Path, line: str, **more: str) -> Use:
    return Use("world.keyed", {"file": str(file), "line": line, **more})


def kill_it(stack: Stack, victim: Callable[[Stack], int]) -> int:
    """Which process it was."""
    stack.wait_healthy()
    kill(pid := victim(stack))
    return pid


def ended(state: dict[str, object], key: str) -> bool:
    tasks = state["tasks"]
    assert isinstance(tasks, list)
    return any(task["key"] == key and task["status"] == "completed" for task in tasks)


def effects_of(file: Path) -> Counter[str]:
    """As the far side counts them, which knows each call by its key. An attempt that was thought dead while the
    machine stood still may say its own again; nothing is done under another key."""
    return Counter(line.split()[1] for line in set(file.read_text().splitlines()))


async def test_the_bundled_model_answers_though_its_host_is_killed_while_it_speaks(runs: Runs) -> None:
    run = await runs.agent("Tell me a long story about a tree.", "local", max_tokens=2_000)
    await speaks(runs, run)

    kill_it(runs.stack, a_host)
    result = await run.result()

    assert (result["status"], bool(result["answer"])) == ("answered", True)


async def speaks(runs: Runs, run: Run) -> None:
    """Until the call of the model is on record."""
    calls = f"SELECT 1 FROM resprout.model_calls WHERE run = '{run.handle.id}'"
    eventually(lambda: runs.stack.sql(calls), "the model is asked")
