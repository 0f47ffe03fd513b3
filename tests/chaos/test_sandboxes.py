"""Workers are killed with SIGKILL at random moments while they run sandboxes: nothing runs twice, nothing is lost.

In its long form: `STORM_RUNS=500 STORM_SEED=7 pytest tests/chaos/test_sandboxes.py -s --timeout 1800`.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import pytest
from chaos.sandbox_storm import NAP, Storm
from chaos.sandbox_worker import Told
from docker import APIClient
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.names import Labels, run_name
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import SandboxRuns
from support.engine import URL, engine_api, images
from support.executions import Containers, Sleepers
from support.waiting import until_found

__all__ = ["engine_api", "images"]

RUNS = int(os.environ.get("STORM_RUNS", "20"))  # of each backend
SEED = int(os.environ.get("STORM_SEED", "7"))


@pytest.fixture
def installation(engine_api: APIClient) -> Iterator[str]:
    name = f"storm-{uuid4().hex}"
    yield name
    for one in engine_api.containers(all=True, filters={"label": f"{Labels.instance}={name}"}):
        engine_api.remove_container(one["Id"], force=True)


async def test_a_run_in_a_container_runs_once_and_is_never_lost(dsn: str, installation: str, images: None) -> None:
    storm = Storm(dsn, installation, "container", RUNS, random.Random(SEED))
    with Sleepers() as sleepers, Containers(URL, f"{Labels.instance}={installation}") as containers:
        began = time.monotonic()
        await storm.rage()
        report(storm, sleepers, began)

        for order in storm.orders:
            assert {told.outcome for told in storm.told[order.key]} == {"done"}, storm.told[order.key]
            assert all(is_whole(told) for told in storm.told[order.key])
            assert len(sleepers.seen[order.nap]) in ran_once(sleepers), order
            assert len(containers.used[run_name(installation, order.key)]) == 1, order
        assert storm.kills["busy"] > 0
        await reaped(dsn, installation, containers)


async def test_a_run_in_a_process_runs_at_most_once_and_is_done_or_in_doubt(dsn: str, installation: str) -> None:
    storm = Storm(dsn, installation, "process", RUNS, random.Random(SEED))
    with Sleepers() as sleepers:
        began = time.monotonic()
        await storm.rage()
        report(storm, sleepers, began)

    for order in storm.orders:
        outcomes = {told.outcome for told in storm.told[order.key]}
        times = len(sleepers.seen[order.nap])
        assert outcomes <= {"done", "in-doubt"}, storm.told[order.key]
        assert times in ran_once(sleepers) if "done" in outcomes else times <= 1, order
        assert all(is_whole(told) for told in storm.told[order.key] if told.outcome == "done")
    assert storm.kills["busy"] > 0


def ran_once(sleepers: Sleepers) -> set[int]:
    """How often one that ran once was seen: if the machine let us look in time, once."""
    return {1} if sleepers.longest_gap < NAP else {0, 1}


def is_whole(told: Told) -> bool:
    return (told.said, told.files) == ("begun\nended\n", {"out/count": "once\n"})


async def reaped(dsn: str, installation: str, containers: Containers) -> None:
    """By the next worker of this installation, as each does when it begins and every minute. What the engine makes
    late, asked by a controller that was killed meanwhile, is found the time after."""
    async with await Database.open(dsn) as database:
        backend = DockerBackend(Engine(URL), installation, warm=0)

        async def none_left() -> bool:
            await backend.reap(SandboxRuns(database.opened).unfinished)
            return not containers.left()

        await until_found(none_left, patience=60)
        await backend.close()


def report(storm: Storm, sleepers: Sleepers, began: float) -> None:
    outcomes = Counter(told[0].outcome for told in storm.told.values())
    times = Counter(len(sleepers.seen[order.nap]) for order in storm.orders)
    print(
        f"\n{storm.isolation}: {storm.runs} runs in {time.monotonic() - began:.0f} s, {storm.kills.total()} kills "
        f"({storm.kills['busy']} in the middle of a run), outcomes {dict(outcomes)}, executions {dict(times)}, "
        f"not looked for {sleepers.longest_gap:.2f} s at most"
    )
