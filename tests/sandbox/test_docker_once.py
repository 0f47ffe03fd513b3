"""One key runs once, whoever dies: controllers are real processes and killed as the kernel kills them."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import InDoubt, Job
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.attachment import RUNNER
from resprout.activities.sandbox.docker.images import Images
from resprout.activities.sandbox.docker.names import Labels, run_name
from resprout.activities.sandbox.docker.parcel import parcel
from resprout.activities.sandbox.docker.shape import JOB_USER, shape_of
from resprout.activities.sandbox.spec import SandboxSpec
from support.cancelling import ends_within
from support.engine import URL

CONTROLLER = Path(__file__).with_name("controller.py")

# Says when it begins, counts how often it did, and ends when somebody kills its `sleep`, or after two seconds.
COUNTING = """
import os, time
os.makedirs('out', exist_ok=True)
with open('out/count', 'a') as count: count.write('x')
print(f'first {os.getpid()}\\n', end='')
time.sleep(2)
print('last')
"""


class Seen(asyncio.Event):
    """Set when there is output."""

    def __call__(self, stream: str, piece: bytes) -> None:
        self.set()


async def started(instance: str, key: str, code: str, *more: str) -> Process:
    paths = os.pathsep.join(path for path in sys.path if path)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(CONTROLLER), instance, key, code, *more),
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )


async def until(process: Process, word: str) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        if word in line.decode():
            return line.decode()
    raise AssertionError(f"it ended without saying {word!r}")


async def killed(process: Process) -> None:
    process.kill()
    await process.wait()


async def result(process: Process) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(await until(process, '"ended"'))
    await process.wait()
    return said


@pytest.fixture
async def key(docker: DockerBackend) -> AsyncIterator[str]:
    yield "a-key"
    await docker.forget("a-key")


def check(said: dict[str, Any]) -> None:
    lines = said["stdout"].splitlines()
    assert (said["ended"], said["code"], said["files"]) == ("exit", 0, {"out/count": "x"})
    assert [line.split()[0] for line in lines] == ["first", "last"]


@pytest.mark.parametrize("more", [(), ("--warm",)])
async def test_killed_before_the_code_began_the_next_controller_runs_it(
    instance: str, key: str, more: tuple[str, ...]
) -> None:
    first = await started(instance, key, COUNTING, "--wait", *more)
    await until(first, "starting")
    await killed(first)

    check(await result(await started(instance, key, COUNTING)))


@pytest.mark.parametrize("more", [(), ("--warm",)])
async def test_killed_while_it_runs_the_next_controller_comes_back_to_it(
    instance: str, key: str, more: tuple[str, ...]
) -> None:
    first = await started(instance, key, COUNTING, *more)
    begun = await until(first, "first")
    await killed(first)

    second = await result(await started(instance, key, COUNTING))

    check(second)
    assert second["stdout"].splitlines()[0] in begun


async def test_killed_after_the_end_the_next_controller_gets_the_result(instance: str, key: str) -> None:
    first = await result(await started(instance, key, COUNTING))

    assert await result(await started(instance, key, COUNTING)) == first


async def test_killed_again_and_again_it_still_ran_once(instance: str, key: str) -> None:
    for _ in range(3):
        controller = await started(instance, key, COUNTING)
        await until(controller, "starting")
        await killed(controller)

    check(await result(await started(instance, key, COUNTING)))


async def test_two_controllers_at_once_get_the_same_result(instance: str, key: str) -> None:
    both = [await started(instance, key, COUNTING) for _ in range(2)]

    one, other = await asyncio.gather(*map(result, both))

    check(one)
    assert one == other


async def test_eight_of_one_key_at_once_run_it_once(docker: DockerBackend, key: str) -> None:
    job = Job(key, SandboxSpec(language="python", code=COUNTING, collect=("out/*",)), "container")

    endings = await asyncio.gather(*(docker.run(job, lambda _stream, _piece: None) for _ in range(8)))

    assert [ending.files for ending in endings] == [{"out/count": b"x"}] * 8
    assert len({ending.stdout.kept for ending in endings}) == 1


async def test_eight_keys_at_once_each_get_their_own_result(docker: DockerBackend) -> None:
    jobs = [Job(f"k{n}", SandboxSpec(language="python", code=f"print({n})"), "container") for n in range(8)]

    endings = await asyncio.gather(*(docker.run(job, lambda _stream, _piece: None) for job in jobs))
    await asyncio.gather(*(docker.forget(job.key) for job in jobs))

    assert [ending.stdout.kept for ending in endings] == [b"%d\n" % n for n in range(8)]


async def test_a_container_that_lost_its_results_is_in_doubt_and_not_run_again(
    docker: DockerBackend, engine_api: APIClient, instance: str, key: str
) -> None:
    first = await started(instance, key, COUNTING)
    await until(first, "first")
    await killed(first)
    engine_api.kill(run_name(instance, key))

    job = Job(key, SandboxSpec(language="python", code=COUNTING), "container")

    with pytest.raises(InDoubt, match="a-key"):
        await docker.run(job, lambda _stream, _piece: None)


async def test_what_is_forgotten_is_removed_and_its_key_runs_anew(
    docker: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    job = Job("again", SandboxSpec(language="python", code="import uuid; print(uuid.uuid4())"), "container")

    first = await docker.run(job, lambda _stream, _piece: None)
    await docker.forget(job.key)
    second = await docker.run(job, lambda _stream, _piece: None)
    await docker.forget(job.key)
    await docker.settled()

    assert first.stdout.kept != second.stdout.kept
    assert engine_api.containers(all=True, filters={"name": run_name(instance, "again")}) == []


async def test_a_cancelled_run_leaves_no_container_after_two_seconds(
    docker: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    spec = SandboxSpec(language="python", code="import time; print('x'); time.sleep(60)")

    async def begin(key: str) -> asyncio.Task[Any]:
        seen = Seen()
        run = asyncio.create_task(docker.run(Job(key, spec, "container"), seen))
        await seen.wait()
        return run

    assert await ends_within(2, begin)
    assert engine_api.containers(all=True, filters={"label": f"{Labels.instance}={instance}"}) == []


async def test_a_process_that_leaves_lets_its_run_go_on(docker: DockerBackend, instance: str, key: str) -> None:
    seen = asyncio.Event()
    job = Job(key, SandboxSpec(language="python", code=COUNTING), "container")
    run = asyncio.create_task(docker.run(job, lambda _stream, _piece: seen.set()))
    await seen.wait()
    docker.leave()
    run.cancel()
    await asyncio.wait({run})

    said = await result(await started(instance, key, COUNTING))

    assert [line.split()[0] for line in said["stdout"].splitlines()] == ["first", "last"]


@pytest.mark.parametrize("sent", [0, 300, 512, 0.5, 0.9])
async def test_a_controller_killed_while_it_sends_the_input_has_started_nothing(
    docker: DockerBackend, instance: str, key: str, sent: float
) -> None:
    """512 bytes are a whole file and the beginning of the next; shares are of all that there is to send."""
    files = {"one": b"1" * 3_000, "two": b"2" * 3_000}
    job = Job(key, SandboxSpec(language="shell", code="wc -c one two"), "container", files)
    engine, name, whole = Engine(URL), run_name(instance, key), parcel(job)
    await docker._claim(name, shape_of(job, await Images(engine).digest(job.spec)), job, ExitStack())
    command = ["/bin/sh", "-c", RUNNER, "runner", "word"]
    created = await engine.call(lambda api: api.exec_create(name, command, stdin=True, user=JOB_USER))
    _, writer = await engine.execute(created["Id"])
    writer.write(
        b"go\n" + whole[: sent if isinstance(sent, int) else int(sent * whole.rindex(b"run/resprout/job/whole"))]
    )
    writer.close()

    async with asyncio.timeout(60):
        ending = await docker.run(job, lambda _stream, _piece: None)

    assert ending.stdout.kept.split() == b"3000 one 3000 two 6000 total".split()
    await engine.close()


async def test_many_killed_controllers_leave_room_for_the_job(
    docker: DockerBackend, engine_api: APIClient, instance: str, key: str
) -> None:
    """Their runners stay behind in the container, and count among its processes."""
    code = (
        "echo begun; while [ ! -e go ]; do sleep 0.05; done; for n in $(seq 60); do sleep 0.1 & done; wait; echo ended"
    )
    spec = SandboxSpec.model_validate({"language": "shell", "code": code, "limits": {"time": "5m"}})
    job = Job(key, spec, "container")
    runs = []
    for _ in range(12):
        seen = Seen()
        runs.append(asyncio.create_task(docker.run(job, seen)))
        await seen.wait()
    docker.leave()
    for run in runs:
        run.cancel()
    await asyncio.wait(runs)

    name = run_name(instance, key)
    go = engine_api.exec_create(name, ["touch", "/work/go"], user=JOB_USER)
    engine_api.exec_start(go["Id"])
    ending = await DockerBackend(Engine(URL), instance, warm=0).run(job, lambda _stream, _piece: None)

    assert (ending.exit_code, ending.stdout.kept, ending.stderr.kept) == (0, b"begun\nended\n", b"")
