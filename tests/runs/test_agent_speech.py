"""Who watches a run reads what a model is saying, while it says it."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from support.model_server import Turn
from support.providers import Providers
from support.runs import Runs

SHOWN = "line one\nline two\nthe third"  # as much as has come when the model is held up


async def test_what_a_model_says_is_shown_while_it_says_it(runs: Runs, providers: Providers, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    long = "x" * 5_000  # more than is kept of what is being said
    text = f"{long}\n{SHOWN} is the last"
    held = Turn(text, gate=str(gate), gate_after=1 + (len(long) + 1 + len(SHOWN)) // 7)
    model = providers.will(held)
    alone = await runs.agent("tell", model)
    flow = await runs.start([{"id": "g", "agent": "a", "goal": "tell"}], agents={"a": {"model": model}})

    watching = [(await begin(runs, alone.handle.id), "1"), (await begin(runs, flow.handle.id), "g/1")]
    for watch, task in watching:
        await line_of(watch, task, "line two")
    gate.touch()
    ends = [await asyncio.to_thread(end_of, watch) for watch, _ in watching]

    assert [end["result"]["answer"] for end in ends[:1]] + [ends[1]["result"]] == [text, text]


async def test_from_python_a_run_is_watched_while_the_model_speaks_and_then_continued(
    runs: Runs, providers: Providers, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    text = f"{SHOWN} is the last"
    model = providers.will(Turn(text, gate=str(gate), gate_after=1 + len(SHOWN) // 7), Turn("and more"))

    async with await Client.connect(settings_of(runs)) as client:
        run = await client.run_agent("tell", model=model, wait=False)
        seen = []
        async for change in run.watch():
            seen.append(change)
            if change.get("text") == "line two":
                gate.touch()
        going_on = await run.continue_("tell more")

        assert (await going_on.result())["answer"] == "and more"
    assert {"event": "output", "task": "1", "stream": "stdout", "text": "line one"} in seen
    assert seen[-1]["event"] == "ended"
    assert seen[-1]["result"]["answer"] == text
    assert going_on.id == f"{run.id}-continue-1"


async def test_without_a_loop_a_run_is_watched_and_continued_alike(runs: Runs, providers: Providers) -> None:
    model = providers.will(Turn("one"), Turn("two"))

    def script() -> None:
        with Client.in_thread(settings_of(runs)) as client:
            run = client.run_agent("say one", model=model, wait=False)
            *_, end = run.watch()
            assert end["result"]["answer"] == "one"
            assert run.continue_("say two", id=f"{run.id}-two").result()["answer"] == "two"
            assert client.run_agent("say one", model=model) == "one"

    await asyncio.to_thread(script)


def settings_of(runs: Runs) -> Settings:
    return attach(Settings(data_dir=runs.stack.data_dir), "postgres.dsn", "temporal.address")


async def begin(runs: Runs, run: str) -> "subprocess.Popen[str]":
    return await asyncio.to_thread(runs.stack.start, "runs", "watch", run, "--json")


async def line_of(watch: "subprocess.Popen[str]", task: str, text: str) -> None:
    assert watch.stdout is not None
    async with asyncio.timeout(90):
        while line := await asyncio.to_thread(watch.stdout.readline):
            event = json.loads(line)
            if (event["event"], event.get("text")) == ("output", text):
                assert event["task"] == task
                return
    raise AssertionError(f"{text!r} was not shown")


def end_of(watch: "subprocess.Popen[str]") -> dict[str, Any]:
    told, _ = watch.communicate(timeout=60)
    end: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert end["event"] == "ended"
    return end
