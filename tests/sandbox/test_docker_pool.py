"""Containers that wait for a job, and what removes those that nobody will claim or come back to."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import Backend, Job, NoSandbox, unwatched
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.containers import Containers
from resprout.activities.sandbox.docker.names import WARM, Labels, run_name
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.runtime.sandboxes import sandboxes
from support.engine import URL
from support.workspaces import settings_of

SPEC = SandboxSpec(language="python", code="print(1)")

FILLS = """
import asyncio, sys
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.spec import SandboxSpec
from support.engine import URL
async def main():
    backend = DockerBackend(Engine(), sys.argv[1], warm=1)
    await backend.warm_up(SandboxSpec(language="python", code="0"))
    print("filled", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def warm(images: None, instance: str) -> AsyncIterator[DockerBackend]:
    backend = DockerBackend(Engine(URL), instance, warm=2)
    yield backend
    await backend.close()


def names(engine_api: APIClient, instance: str) -> set[str]:
    found = engine_api.containers(all=True, filters={"label": f"{Labels.instance}={instance}"})
    return {name.removeprefix("/") for one in found for name in one["Names"]}


async def test_a_claim_renames_a_waiting_container(warm: DockerBackend, engine_api: APIClient, instance: str) -> None:
    await warm.warm_up(SPEC)
    waiting = {one["Id"] for one in engine_api.containers(filters={"label": f"{Labels.instance}={instance}"})}

    ending = await warm.run(Job("k", SPEC, "container"), unwatched)

    assert ending.stdout.kept == b"1\n"
    assert engine_api.inspect_container(run_name(instance, "k"))["Id"] in waiting
    await warm.forget("k")


async def test_what_was_taken_is_replaced(warm: DockerBackend, engine_api: APIClient, instance: str) -> None:
    await warm.warm_up(SPEC)
    for number in range(3):
        await warm.run(Job(f"k{number}", SPEC, "container"), unwatched)
        await warm.forget(f"k{number}")

    await warm.warm_up(SPEC)

    assert len([name for name in names(engine_api, instance) if name.startswith(WARM)]) == 2


@pytest.mark.parametrize(
    "limits", [{"memory": "100MB"}, {"time": "13h"}], ids=["other limits", "a deadline that would cut it off"]
)
async def test_a_job_that_a_warm_container_does_not_fit_gets_one_of_its_own(
    warm: DockerBackend, engine_api: APIClient, instance: str, limits: dict[str, str]
) -> None:
    await warm.warm_up(SPEC)
    waiting = names(engine_api, instance)
    spec = SandboxSpec.model_validate({"language": "python", "code": "print(1)", "limits": limits})

    await warm.run(Job("k", spec, "container"), unwatched)

    assert names(engine_api, instance) == {*waiting, run_name(instance, "k")}
    await warm.forget("k")


async def test_a_key_that_is_taken_leaves_the_pool_as_it_is(
    warm: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    await warm.run(Job("k", SPEC, "container"), unwatched)
    await warm.warm_up(SPEC)
    before = names(engine_api, instance)

    again = await warm.run(Job("k", SPEC, "container"), unwatched)

    assert again.stdout.kept == b"1\n"
    assert names(engine_api, instance) == before
    await warm.forget("k")


async def test_a_warm_container_that_was_removed_is_no_obstacle(
    warm: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    await warm.warm_up(SPEC)
    for name in names(engine_api, instance):
        engine_api.remove_container(name, force=True)

    ending = await warm.run(Job("k", SPEC, "container"), unwatched)

    assert ending.stdout.kept == b"1\n"
    await warm.forget("k")


async def test_a_warm_container_that_has_ended_is_not_used(
    warm: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    await warm.warm_up(SPEC)
    ended = {one["Id"] for one in engine_api.containers(filters={"label": f"{Labels.instance}={instance}"})}
    for one in ended:
        engine_api.kill(one)
    async with asyncio.timeout(60):
        while not all([await one.runner.is_over() for idle in warm._pool._idle.values() for one in idle]):
            await asyncio.sleep(0.01)

    ending = await warm.run(Job("k", SPEC, "container"), unwatched)

    assert ending.stdout.kept == b"1\n"
    await warm.forget("k")
    await warm.settled()
    left = engine_api.containers(all=True, filters={"label": f"{Labels.instance}={instance}"})
    assert not ended & {one["Id"] for one in left}


async def test_a_runner_that_died_while_it_waited_is_no_obstacle(
    warm: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    await warm.warm_up(SPEC)
    for name in names(engine_api, instance):
        kills = engine_api.exec_create(name, ["/bin/sh", "-c", "kill -9 -1"], user="65532")
        engine_api.exec_start(kills["Id"])

    ending = await warm.run(Job("k", SPEC, "container"), unwatched)

    assert ending.stdout.kept == b"1\n"
    await warm.forget("k")


async def test_only_who_asks_for_it_keeps_a_pool(dsn: str, images: None) -> None:
    settings = settings_of(dsn, warm=1)

    async with sandboxes(settings, recorded=True) as single, sandboxes(settings, recorded=True, warm=1) as worker:
        ready = [await kept_ready(box.backends["container"]) for box in (single, worker)]

    assert ready == [0, 1]


async def kept_ready(backend: Backend) -> int:
    assert isinstance(backend, DockerBackend)
    await backend.warm_up(SPEC)
    return sum(map(len, backend._pool._idle.values()))


async def test_an_engine_that_is_away_is_named_when_something_is_to_be_executed(images: None) -> None:
    engine = Engine(URL)
    await engine.facts()
    engine.url = "unix:///nonexistent.sock"

    with pytest.raises(NoSandbox, match="No Docker engine answers at unix:///nonexistent"):
        await engine.execute("abc")

    await engine.close()


@pytest.mark.parametrize("failure", [NoSandbox("it hung up."), ConnectionResetError("by peer"), ValueError("ours")])
async def test_a_pool_that_cannot_be_filled_leaves_nothing_and_can_be_closed(
    images: None, engine_api: APIClient, instance: str, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def failing(self: Engine, exec_id: str) -> None:
        raise failure

    backend = DockerBackend(Engine(URL), instance, warm=1)
    monkeypatch.setattr(Engine, "execute", failing)

    await backend.warm_up(SPEC)
    await backend.close()

    assert names(engine_api, instance) == set()


async def test_close_removes_what_waits(engine_api: APIClient, images: None, instance: str) -> None:
    backend = DockerBackend(Engine(URL), instance, warm=2)
    await backend.warm_up(SPEC)

    await backend.close()

    assert names(engine_api, instance) == set()


async def test_the_reaper_removes_the_pool_of_a_dead_process_and_no_other(
    warm: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    words = [sys.executable, "-c", FILLS, instance]
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths})
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    assert await warm.reap() == 0
    process.send_signal(signal.SIGKILL)
    process.communicate()
    await warm.warm_up(SPEC)

    assert await warm.reap() == 1

    assert len(names(engine_api, instance)) == 2


async def test_the_reaper_removes_runs_that_nobody_will_come_back_to(
    docker: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    for key in ("wanted", "forgotten"):
        await docker.run(Job(key, SPEC, "container"), unwatched)

    async def unfinished() -> set[str]:
        return {"wanted"}

    assert await docker.reap(unfinished) == 1

    assert names(engine_api, instance) == {run_name(instance, "wanted")}
    await docker.forget("wanted")


async def test_the_reaper_leaves_the_containers_of_other_installations(
    docker: DockerBackend, images: None, engine_api: APIClient, instance: str
) -> None:
    other = DockerBackend(Engine(URL), f"test-{uuid4().hex}", warm=0)
    await docker.run(Job("k", SPEC, "container"), unwatched)

    async def unfinished() -> set[str]:
        return set()

    assert await other.reap(unfinished) == 0

    await docker.forget("k")
    await other.close()


async def test_the_reaper_removes_what_is_beyond_its_deadline_although_it_is_on_record(
    docker: DockerBackend, engine_api: APIClient, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unfinished() -> set[str]:
        return {"k"}

    await docker.run(Job("k", SPEC, "container"), unwatched)
    assert await docker.reap(unfinished) == 0

    monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)

    assert await docker.reap(unfinished) == 1


async def test_the_reaper_goes_on_past_what_the_engine_cannot_remove(
    docker: DockerBackend, engine_api: APIClient, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("stuck", "free", "free too"):
        await docker.run(Job(key, SPEC, "container"), unwatched)
    stuck = engine_api.inspect_container(run_name(instance, "stuck"))["Id"]
    remove = Containers.remove

    async def removed(self: Containers, name: str) -> None:
        if name == stuck:
            raise NoSandbox("The Docker engine refused: driver failed to remove root filesystem.")
        await remove(self, name)

    monkeypatch.setattr(Containers, "remove", removed)

    async def unfinished() -> set[str]:
        return set()

    assert await docker.reap(unfinished) == 2

    assert names(engine_api, instance) == {run_name(instance, "stuck")}
    monkeypatch.undo()
    assert await docker.reap(unfinished) == 1
