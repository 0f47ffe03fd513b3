"""Each key runs once: answered from the record, waited for, come back to, or in doubt; never run again."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import Ending, InDoubt, Job, NoSandbox, Watch
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.names import run_name
from resprout.activities.sandbox.docker.shape import JOB_USER
from resprout.activities.sandbox.once import _doubt
from resprout.activities.sandbox.process.cgroup import remove_left_behind
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.actors.errors import BadArgument, Rejected
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import SandboxRun, SandboxRuns
from resprout.runtime.sandbox_client import SandboxClient
from support.cancelling import ends_within
from support.engine import URL
from support.workspaces import settings_of

RANDOM = "import uuid; print(uuid.uuid4())"
LEASE = timedelta(seconds=30)  # an owner that lives is seen in it, however late its signs of life come
SHORT = timedelta(seconds=1)  # for who waits until an owner is taken for gone


class NoSecrets:
    def value(self, name: str) -> str:
        raise Rejected(f"there is no secret {name}.")


def sandboxes(database: Database, lease: timedelta = LEASE) -> Sandboxes:
    return Sandboxes({"process": ProcessSandbox()}, NoSecrets(), "process", SandboxRuns(database.opened, lease))


def in_containers(database: Database, docker: DockerBackend, lease: timedelta = LEASE) -> Sandboxes:
    return replace(sandboxes(database, lease), backends={"container": docker}, default="container")


def python(code: str, **words: Any) -> SandboxSpec:
    return SandboxSpec.model_validate({"language": "python", "code": code, **words})


async def state(database: Database, key: str) -> str | None:
    found: str | None = await database.pool.fetchval("SELECT state FROM resprout.sandbox_runs WHERE key = $1", key)
    return found


async def test_a_key_that_has_run_is_answered_from_the_record(database: Database) -> None:
    first = await sandboxes(database).run(python(RANDOM), "k")

    assert await sandboxes(database).run(python(RANDOM), "k") == first
    assert (await sandboxes(database).run(python(RANDOM), "other")).stdout != first.stdout


@pytest.mark.parametrize("processes", [1, 2])
async def test_two_at_once_with_one_key_get_one_result(database: Database, processes: int) -> None:
    boxes = [sandboxes(database) for _ in range(processes)]
    spec = python("import time; time.sleep(1);" + RANDOM)
    alive = [asyncio.create_task(box.keep_alive()) for box in boxes]

    results = await asyncio.gather(*(boxes[n % processes].run(spec, "k") for n in range(4)))

    assert {result.stdout.text for result in results} == {results[0].stdout.text}
    for task in alive:
        task.cancel()


async def test_a_key_stands_for_one_thing(database: Database) -> None:
    await sandboxes(database).run(python("print(1)"), "k")

    with pytest.raises(BadArgument, match="stands for another run"):
        await sandboxes(database).run(python("print(2)"), "k")


async def test_the_key_of_another_tenant_is_refused(database: Database) -> None:
    await sandboxes(database).run(python(RANDOM), "k", tenant="ada")

    with pytest.raises(BadArgument, match="stands for another run"):
        await sandboxes(database).run(python(RANDOM), "k", tenant="bob")


async def test_what_users_call_a_key_is_nobody_elses(database: Database, dsn: str) -> None:
    step = await sandboxes(database).run(python(RANDOM), "k")
    clients = [SandboxClient(settings_of(dsn, isolation="process"), tenant) for tenant in ("default", "ada")]

    results = [await client.run(python(RANDOM), key="k") for client in clients]

    assert [result.key for result in results] == ["user/default/k", "user/ada/k"]
    assert len({result.stdout.text for result in (step, *results)}) == 3
    for client in clients:
        await client.close()


async def test_a_result_with_bytes_that_postgres_does_not_like_is_kept(database: Database) -> None:
    spec = python(r"import sys; sys.stdout.buffer.write(b'\0\xff\x00')")

    assert (await sandboxes(database).run(spec, "k")).stdout.text == "\0\ufffd\0"
    assert (await sandboxes(database).run(spec, "k")).stdout.text == "\0\ufffd\0"


async def test_what_was_only_intended_by_a_process_that_is_gone_is_run(database: Database) -> None:
    box = sandboxes(database)
    other = sandboxes(database)
    await box.run_job(*_job(box, "before"), once=True)  # its backend works
    await database.pool.execute(
        """INSERT INTO resprout.sandbox_runs (key, tenant, spec_hash, backend, place, owner, seen_at)
           SELECT 'k', tenant, spec_hash, backend, place, $1, now() - interval '1 minute'
           FROM resprout.sandbox_runs WHERE key = 'before'""",
        uuid4(),
    )

    assert (await other.run(python("print(1)"), "k")).stdout.text == "1\n"


async def test_an_owner_that_wakes_up_while_another_takes_over_leaves_one_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = sandboxes(database), sandboxes(database)
    asleep, awake, started = asyncio.Event(), asyncio.Event(), asyncio.Event()
    runs_it = slow.backends["process"].run

    async def sleeping(job: Job, watch: Watch) -> Ending:
        async def starting() -> None:
            asleep.set()
            await awake.wait()
            await job.starting()
            started.set()

        return await runs_it(replace(job, starting=starting), watch)

    monkeypatch.setattr(slow.backends["process"], "run", sleeping)
    spec = python("import time; time.sleep(2);" + RANDOM)
    first = asyncio.create_task(slow.run(spec, "k"))
    await asleep.wait()
    await database.pool.execute("UPDATE resprout.sandbox_runs SET seen_at = now() - interval '1 minute'")
    assert other.once is not None
    found = other.once.runs.find

    async def woken(key: str) -> SandboxRun | None:
        run = await found(key)
        if not started.is_set():
            awake.set()
            await started.wait()
            alive.append(asyncio.create_task(slow.keep_alive()))
        return run

    alive: list[asyncio.Task[None]] = []
    other.once.runs = Seeing(database.opened, LEASE, looking=woken)

    results = await asyncio.gather(first, other.run(spec, "k"))

    assert results[0] == results[1]
    for task in alive:
        task.cancel()


@dataclass(frozen=True)
class Seeing(SandboxRuns):
    """Looks at a run in another way."""

    looking: Callable[[str], Awaitable[SandboxRun | None]] = field(kw_only=True)

    async def find(self, key: str) -> SandboxRun | None:
        return await self.looking(key)


def _job(box: Sandboxes, key: str) -> Any:
    from resprout.activities.sandbox.backend import unwatched

    return Job(key, python("print(1)"), "process"), box.backends["process"], "default", unwatched


async def test_a_run_whose_process_was_killed_is_in_doubt_and_not_run_again(
    database: Database, dsn: str, tmp_path: Path
) -> None:
    program = tmp_path / "owner.py"
    program.write_text(OWNER)
    path = os.pathsep.join(sys.path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), dsn), env={**os.environ, "PYTHONPATH": path}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()

    for _ in range(2):
        with pytest.raises(InDoubt, match="its end is not known"):
            await sandboxes(database, SHORT).run(python(SLOW), "k")
    assert await state(database, "k") == "in-doubt"


SLOW = "print('begun', flush=True); import time; time.sleep(20)"
OWNER = f"""
import asyncio, sys
from sandbox.test_once import *

async def main():
    box = sandboxes(await Database.open(sys.argv[1]))
    asyncio.create_task(box.keep_alive())
    await box.run(python({SLOW!r}), "k", watch=lambda stream, chunk: print(chunk.decode(), end="", flush=True))

asyncio.run(main())
"""


async def test_a_cancelled_run_is_killed_and_on_record_as_such(database: Database) -> None:
    box = sandboxes(database)

    async def begin(key: str) -> asyncio.Task[Any]:
        begun = asyncio.Event()
        task = asyncio.create_task(box.run(python(SLOW), key, watch=lambda stream, chunk: begun.set()))
        async with asyncio.timeout(20):
            await begun.wait()
        return task

    assert await ends_within(2, begin)
    assert (await box.run(python(SLOW), "cancelled-0")).ended == "cancelled"


def test_who_lost_a_container_is_not_told_to_use_one() -> None:
    now = datetime.now(UTC)
    run = SandboxRun("k", "default", b"", "docker", "engine-id", uuid4(), "doubt", now, now, None, None, alive=False)

    told = {backend: str(_doubt(replace(run, backend=backend))) for backend in ("docker", "process")}

    assert "its container is gone" in told["docker"]
    assert "engine-id" not in told["docker"]
    assert "isolation: container" not in told["docker"]
    assert "Runs with `isolation: container` are come back to." in told["process"]


async def test_a_run_that_a_leaving_worker_cut_off_is_in_doubt(database: Database) -> None:
    box, begun = sandboxes(database), asyncio.Event()
    task = asyncio.create_task(box.run(python(SLOW), "k", watch=lambda stream, chunk: begun.set()))
    async with asyncio.timeout(20):
        await begun.wait()

    box.leave()
    task.cancel()
    await asyncio.wait({task})

    with pytest.raises(InDoubt):
        await sandboxes(database, SHORT).run(python(SLOW), "k")


async def test_a_run_whose_container_somebody_removed_is_in_doubt_and_not_begun_anew(
    database: Database, docker: DockerBackend, engine_api: APIClient, instance: str
) -> None:
    box, begun = in_containers(database, docker), asyncio.Event()
    task = asyncio.create_task(box.run(python(SLOW), "k", watch=lambda stream, chunk: begun.set()))
    async with asyncio.timeout(20):
        await begun.wait()
    box.leave()
    task.cancel()
    await asyncio.wait({task})
    engine_api.remove_container(run_name(instance, "k"), force=True)

    with pytest.raises(InDoubt, match="was removed while it ran"):
        await in_containers(database, docker, SHORT).run(python(SLOW), "k")


async def test_a_run_without_a_key_is_left_to_its_process_by_all_reapers(
    database: Database, docker: DockerBackend
) -> None:
    box, begun = in_containers(database, docker), asyncio.Event()
    code = "print('begun', flush=True); import time; time.sleep(2)"
    task = asyncio.create_task(box.run(python(code), watch=lambda stream, chunk: begun.set()))
    async with asyncio.timeout(20):
        await begun.wait()
    assert box.runs is not None

    removed = await docker.reap(box.runs.unfinished)

    assert removed == 0
    assert (await task).exit_code == 0


async def test_a_mistake_in_one_round_of_the_reaper_is_not_its_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, rounds = sandboxes(database), asyncio.Queue[None]()

    async def broken(unfinished: object = None) -> int:
        rounds.put_nowait(None)
        raise FileNotFoundError("cgroup.procs")

    monkeypatch.setattr(box.backends["process"], "reap", broken)
    monkeypatch.setattr("resprout.activities.sandbox.reaping.REAP_EVERY", timedelta(milliseconds=10))

    reaping = asyncio.create_task(box.reap_forever())

    async with asyncio.timeout(10):
        for _ in range(2):
            await rounds.get()
    reaping.cancel()


def test_a_group_that_another_process_removes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f"resprout-{dead.pid}-0").mkdir()  # its `cgroup.procs` is gone already

    assert remove_left_behind({"memory": tmp_path}) == 0


async def test_who_comes_back_after_another_has_brought_the_result_home_gets_it(
    database: Database,
    docker: DockerBackend,
    engine_api: APIClient,
    instance: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = DockerBackend(Engine(URL), instance, warm=0)
    first, second = in_containers(database, docker), in_containers(database, late)
    begun, come_back = asyncio.Event(), asyncio.Event()
    code = "import os, time; print('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(.02)\n" + RANDOM
    spec = python(code, limits={"time": "5m"})
    one = asyncio.create_task(first.run(spec, "k", watch=lambda stream, chunk: begun.set()))
    attend = late._attend

    async def attended(*words: Any) -> Ending:
        come_back.set()
        await one
        await docker.settled()
        return await attend(*words)

    monkeypatch.setattr(late, "_attend", attended)
    async with asyncio.timeout(120):
        await begun.wait()
        await database.pool.execute("UPDATE resprout.sandbox_runs SET seen_at = now() - interval '1 minute'")
        two = asyncio.create_task(second.run(spec, "k"))
        await come_back.wait()
        go = engine_api.exec_create(run_name(instance, "k"), ["touch", "/work/go"], user=JOB_USER)
        engine_api.exec_start(go["Id"])

        assert await two == await one
    await late.close()


async def test_an_image_that_lacks_tools_is_refused_each_time_and_leaves_no_record(
    database: Database, docker: DockerBackend, engine_api: APIClient
) -> None:
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    image = f"bare-{uuid4().hex[:8]}"
    engine_api.import_image_from_data(empty.getvalue(), repository=image, tag="1")
    try:
        for _ in range(2):
            with pytest.raises((Rejected, NoSandbox)):
                await in_containers(database, docker).run(SandboxSpec(image=f"{image}:1", run="true"), "k")
            assert await state(database, "k") is None
    finally:
        engine_api.remove_image(f"{image}:1")


FORGES = """
import os, signal, tarfile, io
open("/run/resprout/job/end", "w").write("refused - - - -\\n")
"""
ENDS_ITS_RUNNER = """
for pid in filter(str.isdecimal, os.listdir("/proc")):
    if b"runner" in open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0"):
        word = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")[-2]
        out = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY)
        os.kill(int(pid), signal.SIGSTOP)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add("/run/resprout/job/end", "job/end")
        os.write(out, word + packed.getvalue())
        os.kill(int(pid), signal.SIGKILL)
        break
"""


@pytest.mark.parametrize("more", ["", ENDS_ITS_RUNNER], ids=["its end", "all that its runner says"])
async def test_code_that_says_it_never_began_stays_on_record(
    database: Database, docker: DockerBackend, more: str
) -> None:
    first = await in_containers(database, docker).run(python(FORGES + more), "k")

    assert await in_containers(database, docker).run(python(FORGES + more), "k") == first


async def test_files_that_do_not_fit_into_a_container_leave_no_record(
    database: Database, docker: DockerBackend
) -> None:
    spec = python("print(1)", files={"big": "x" * 100_000}, limits={"disk": "10KB"})

    for _ in range(2):
        with pytest.raises(Rejected, match="files"):
            await in_containers(database, docker).run(spec, "k")
    assert await state(database, "k") is None


async def test_what_cannot_start_leaves_no_record(database: Database) -> None:
    box = sandboxes(database)

    with pytest.raises(Rejected, match="there is no secret token"):
        await box.run(python("print(1)", secrets={"TOKEN": "secret://token"}), "k")
    with pytest.raises(Rejected, match="files"):
        await box.run(python("print(1)", files={"big": "x" * 100_000}, limits={"disk": "10KB"}), "k")

    assert await state(database, "k") is None
