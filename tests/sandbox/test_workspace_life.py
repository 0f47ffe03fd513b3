"""How workspaces begin, are found again and go: by name, by anybody, whoever is killed in between."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from docker import APIClient
from resprout.activities.sandbox import workspaces as module
from resprout.activities.sandbox.backend import Ending, InDoubt, NoSandbox
from resprout.activities.sandbox.docker.commands import Commands
from resprout.activities.sandbox.docker.containers import Containers
from resprout.activities.sandbox.docker.names import workspace_name
from resprout.activities.sandbox.result import SandboxResult
from resprout.activities.sandbox.workspace import NoRoom, WorkspaceGone, WorkspaceLost, WorkspaceSpec
from resprout.activities.sandbox.workspace_files import WorkspaceFiles
from resprout.activities.sandbox.workspaces import Workspaces
from resprout.actors.errors import BadArgument, NotFound, Rejected
from resprout.runtime.blocking_client import LoopInThread
from resprout.runtime.blocking_sandboxes import BlockingSandboxes
from resprout.runtime.sandbox_client import SandboxClient
from resprout.runtime.sandboxes import end_all
from support.cancelling import ends_within
from support.workspaces import opened, settings_of

COUNTING = "import time; open('count', 'a').write('x'); print('begun', flush=True); time.sleep(4); print('ended')"

UNUSED = "UPDATE resprout.workspaces SET used_at = now() - $2::interval WHERE id = $1"
BEGUN_LONG_AGO = "UPDATE resprout.sandbox_runs SET started_at = now() - interval '10 minutes'"
UNUSED_FOR = "SELECT now() - used_at FROM resprout.workspaces WHERE id = $1"


@pytest.fixture
async def workspaces(dsn: str, images: None, engine_api: APIClient) -> AsyncIterator[Workspaces]:
    async with opened(dsn) as made:
        yield made
        for one in await made.list():
            await made.remove(one.name)


def spec(**words: Any) -> WorkspaceSpec:
    return WorkspaceSpec.model_validate({"language": "python", "isolation": "container", **words})


def is_there(api: APIClient, workspace: Any) -> bool:
    return bool(api.containers(all=True, filters={"name": workspace_name(workspace.id)}))


async def test_a_name_and_a_spec_are_one_workspace_for_all_processes(workspaces: Workspaces, dsn: str) -> None:
    async with opened(dsn) as other:
        both = await asyncio.gather(workspaces.create("box", spec()), other.create("box", spec()))
        await workspaces.run("box", {"run": "echo 1 >n"})

        assert both[0].id == both[1].id
        assert (await other.run("box", {"run": "cat n"})).stdout.text == "1\n"
        with pytest.raises(BadArgument, match="another spec"):
            await other.create("box", spec(env={"A": "b"}))


async def test_another_tenant_does_not_see_it(workspaces: Workspaces, dsn: str) -> None:
    await workspaces.create("box", spec())

    async with opened(dsn, tenant="other") as other:
        assert await other.list() == []
        with pytest.raises(NotFound, match="there is no workspace box"):
            await other.run("box", {"run": "true"})


async def test_the_ports_of_somebody_else_are_refused(workspaces: Workspaces) -> None:
    await workspaces.create("box", spec())
    workspaces.user = "somebody@else"

    with pytest.raises(Rejected, match="the ports of box are for"):
        async with workspaces.port("box", 80):
            pass


async def test_what_was_only_intended_by_a_process_that_was_killed_is_made(workspaces: Workspaces) -> None:
    row, life = await workspaces._intended("box", spec())
    await workspaces.records.intend(row, life, 9, 9)

    assert (await workspaces.run("box", {"run": "echo made"})).stdout.text == "made\n"


async def test_a_container_that_is_on_no_record_goes(workspaces: Workspaces, engine_api: APIClient) -> None:
    made = await workspaces.create("box", spec())
    await workspaces.records.bury(made.id, "a test wanted it")

    assert is_there(engine_api, made)
    assert await workspaces.reap() == 1
    assert not is_there(engine_api, made)


async def test_what_a_stack_leaves_when_it_is_taken_down_is_no_workspace(
    workspaces: Workspaces, dsn: str, engine_api: APIClient
) -> None:
    made = await workspaces.create("box", spec())
    await workspaces.pause("box")

    await end_all(settings_of(dsn))

    assert not is_there(engine_api, made)
    with pytest.raises(WorkspaceGone, match="the stack was taken down"):
        await workspaces.get("box")


async def test_a_workspace_that_the_engine_cannot_remove_is_no_obstacle_to_the_others(
    workspaces: Workspaces, dsn: str, engine_api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, *others = [await workspaces.create(name, spec()) for name in ("stuck", "second", "third")]
    remove = Containers.remove

    async def removed(self: Containers, name: str) -> None:
        if name == workspace_name(stuck.id):
            raise NoSandbox("The Docker engine refused: driver failed to remove root filesystem.")
        await remove(self, name)

    monkeypatch.setattr(Containers, "remove", removed)
    await end_all(settings_of(dsn))

    assert [is_there(engine_api, one) for one in (stuck, *others)] == [True, False, False]
    monkeypatch.undo()
    assert await workspaces.reap() == 1


async def test_what_nobody_uses_goes_and_what_is_used_stays(
    dsn: str, images: None, engine_api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEEN_EVERY", timedelta(milliseconds=50))
    words = {"run": "echo begun; until [ -e go ]; do sleep 0.05; done", "timeout": "5m"}
    async with opened(dsn, idle_seconds=3600) as workspaces:
        idle, used = await workspaces.create("idle", spec()), await workspaces.create("used", spec())
        pool, begun = (await workspaces.records.open()).pool, asyncio.Event()
        running = asyncio.create_task(workspaces.run("used", words, watch=lambda stream, piece: begun.set()))
        async with asyncio.timeout(60):
            await begun.wait()
            await pool.execute(UNUSED, used.id, timedelta(minutes=50))
            while (await pool.fetchval(UNUSED_FOR, used.id)) > timedelta(minutes=40):
                await asyncio.sleep(0.05)
        await pool.execute(UNUSED, idle.id, timedelta(hours=2))

        await workspaces.reap()

        assert [is_there(engine_api, one) for one in (idle, used)] == [False, True]
        await workspaces.run("used", {"run": "touch go"})
        assert (await running).ended == "exit"
        with pytest.raises(WorkspaceGone, match="nobody had used it"):
            await workspaces.run("idle", {"run": "true"})
        await workspaces.remove("used")


async def test_there_are_no_more_than_the_bounds_allow(dsn: str, images: None, engine_api: APIClient) -> None:
    async with opened(dsn, per_tenant=1, life_seconds=3600) as workspaces:
        await workspaces.create("one", spec())
        with pytest.raises(NoRoom, match=r"sandbox\.per_tenant"):
            await workspaces.create("two", spec())
        with pytest.raises(Rejected, match="write 1h or less"):
            await workspaces.create("three", spec(life="2h"))
        await workspaces.remove("one")
        await workspaces.create("two", spec())
        await workspaces.remove("two")


async def test_a_workspace_whose_container_is_gone_is_lost_and_says_so(
    workspaces: Workspaces, engine_api: APIClient
) -> None:
    made = await workspaces.create("box", spec())
    engine_api.remove_container(workspace_name(made.id), force=True)

    assert (await workspaces.get("box")).state == "lost"
    with pytest.raises(WorkspaceLost, match="is lost"):
        await workspaces.run("box", {"run": "true"})


async def test_names_that_are_none_and_isolation_that_cannot_be_kept_are_refused(workspaces: Workspaces) -> None:
    for name in ("", "a b", "../x", "a:b", "-x", "x" * 101):
        with pytest.raises(Rejected, match="is no name of a workspace"):
            await workspaces.create(name, spec())
    with pytest.raises(Rejected, match="kept in a container"):
        await workspaces.create("box", spec(isolation="process"))
    await workspaces.create("workbench", spec())
    with pytest.raises(NotFound, match="did you mean `workbench`"):
        await workspaces.get("workbnch")


async def test_a_command_with_a_key_runs_once_although_its_process_is_killed(workspaces: Workspaces, dsn: str) -> None:
    await workspaces.create("box", spec())
    paths = os.pathsep.join(path for path in sys.path if path)
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, dsn),
        env={**os.environ, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE,
    )
    assert first.stdout is not None
    async with asyncio.timeout(30):
        assert await first.stdout.readline() == b"begun\n"
    first.kill()
    await first.wait()
    once = workspaces.sandboxes.once
    assert once is not None
    once.runs = replace(once.runs, lease=timedelta(seconds=1))

    result = await workspaces.run("box", {"code": COUNTING}, "k")
    again = await workspaces.run("box", {"code": COUNTING}, "k")

    assert (result.stdout.text, again) == ("begun\nended\n", result)
    assert (await workspaces.run("box", {"run": "cat count"})).stdout.text == "x"


OWNER = f"""
import asyncio, sys
from resprout.runtime.blocking_client import LoopInThread
from resprout.runtime.blocking_sandboxes import BlockingSandboxes
from resprout.runtime.sandbox_client import SandboxClient
from resprout.runtime.sandboxes import end_all
from support.workspaces import opened, settings_of

async def main():
    async with opened(sys.argv[1]) as workspaces:
        show = lambda stream, piece: print(piece.decode(), end="", flush=True)
        await workspaces.run("box", {{"code": {COUNTING!r}}}, "k", show)

asyncio.run(main())
"""


async def test_a_command_whose_old_owner_ends_it_meanwhile_runs_once(
    workspaces: Workspaces, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workspaces.create("box", spec(language="shell"))
    begun, ended = asyncio.Event(), asyncio.Event()
    words = {"run": "echo x >>count; echo begun; sleep 2; cat count"}
    attend = Commands._attend

    async with opened(dsn) as other:

        async def attend_late(self: Commands, *given: Any) -> Ending:
            if self.home is other.home:
                await ended.wait()
            return await attend(self, *given)

        async def owned() -> SandboxResult:
            try:
                return await workspaces.run("box", words, "k", lambda stream, piece: begun.set())
            finally:
                ended.set()

        monkeypatch.setattr(Commands, "_attend", attend_late)
        once = other.sandboxes.once
        assert once is not None
        once.runs = replace(once.runs, lease=timedelta(milliseconds=50))
        owner = asyncio.create_task(owned())
        await begun.wait()
        await asyncio.gather(owner, other.run("box", words, "k"), return_exceptions=True)

    assert (await workspaces.run("box", {"run": "cat count"})).stdout.text == "x\n"


async def test_a_command_that_ends_its_watchers_ends_and_nothing_of_it_stays(workspaces: Workspaces) -> None:
    await workspaces.create("box", spec())
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.environ.clear()\n    {}\nos.kill(-1, 9)"

    async def ended(what: str) -> SandboxResult:
        return await workspaces.run("box", {"code": daemon.format(what), "timeout": "20s"})

    quiet = await ended("os.fork() and os._exit(0); time.sleep(60); os._exit(0)")
    left = await workspaces.run("box", {"run": "cat /proc/[0-9]*/comm | grep -c python3"})
    assert (quiet.ended, left.stdout.text) == ("signal", "0\n")

    with suppress(InDoubt):
        await ended("while True: os.kill(-1, 9)")
    if (await workspaces.get("box")).state == "running":  # at worst it is lost
        left = await workspaces.run("box", {"run": "cat /proc/[0-9]*/comm | grep -c python3"})
        assert left.stdout.text == "0\n"


async def test_a_cancelled_command_ends_within_two_seconds_and_the_workspace_stays(workspaces: Workspaces) -> None:
    await workspaces.create("box", spec())
    words = {"run": "echo begun; sleep 67 & sleep 67"}

    async def begin(key: str) -> asyncio.Task[SandboxResult]:
        begun = asyncio.Event()
        running = asyncio.create_task(workspaces.run("box", words, key, lambda stream, piece: begun.set()))
        await begun.wait()
        return running

    assert await ends_within(2, begin)
    left = await workspaces.run("box", {"run": "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 6[7]'"})
    assert left.stdout.text == "0\n"


async def test_commands_at_once_each_have_their_way_out_and_are_told_what_is_refused(workspaces: Workspaces) -> None:
    await workspaces.create("box", spec(net=["listed.example:80"]))
    code = """
import urllib.request, urllib.error
try: urllib.request.urlopen('http://unlisted.example/')
except urllib.error.HTTPError as error: print(error.code, error.read().decode()[:200])
"""

    results = await asyncio.gather(*(workspaces.run("box", {"code": code}) for _ in range(3)))

    for result in results:
        assert (result.stdout.text[:3], "unlisted.example" in result.stdout.text) == ("403", True), result
        assert [(one.host, one.allowed) for one in result.connections] == [("unlisted.example", False)]


async def test_python_has_it_all_with_a_loop_and_without(dsn: str, images: None, engine_api: APIClient) -> None:
    client = SandboxClient(settings_of(dsn), "default")
    single = await client.run(language="python", code="import uuid; print(uuid.uuid4())", key="k")
    assert await client.run(language="python", code="import uuid; print(uuid.uuid4())", key="k") == single
    box = await client.create("box", language="python", isolation="container")
    await box.write("n", "42")
    await box.snapshot("first")
    await client.close()
    thread = LoopInThread()

    opened_again = SandboxClient(settings_of(dsn), "default")
    blocking = BlockingSandboxes(opened_again, thread)
    same = blocking.get("box")
    assert same.exec("cat n", timeout="30s").stdout.text == "42"
    assert [one.path for one in same.files()] == ["n"]
    with same.expose(8000) as url:
        assert url.startswith("http://127.0.0.1:")
    assert [one.name for one in blocking.snapshots()] == ["first"]
    assert blocking.restore("first", "second").read("n") == b"42"
    for one in blocking.list():
        blocking.get(one.name).remove()

    with pytest.raises(BadArgument, match="languages"):
        blocking.create("third", languages="python")
    thread.wait(opened_again.close())
    thread.stop()


async def test_a_command_that_is_left_running_goes_on_is_come_back_to_and_can_be_ended(workspaces: Workspaces) -> None:
    await workspaces.create("box", spec())
    words = {"run": "echo begun; sleep 2; echo ended"}
    left = await workspaces.begin("box", words)
    endless = await workspaces.begin("box", {"run": "sleep 68"})

    await workspaces.end("box", endless)

    assert (await workspaces.run("box", words, left)).stdout.text == "begun\nended\n"
    assert (await workspaces.run("box", {"run": "cat /proc/[0-9]*/comm | grep -c sleep"})).stdout.text == "1\n"


async def test_a_command_left_running_that_ends_its_watchers_ends_with_its_time(
    workspaces: Workspaces, engine_api: APIClient
) -> None:
    made = await workspaces.create("box", spec())
    code = "import os, time\nwhile not os.path.exists('go'): time.sleep(.02)\nos.kill(-1, 9)\ntime.sleep(600)"

    def running() -> str:
        return str(engine_api.top(workspace_name(made.id))["Processes"])

    await workspaces.begin("box", {"code": code, "timeout": "5m"})
    async with asyncio.timeout(60):
        while "python3 .code" not in running():
            await asyncio.to_thread(running)
    with suppress(NoSandbox):  # it is ended too
        await WorkspaceFiles(workspaces).write("box", "go", b"")
    async with asyncio.timeout(60):
        while "timeout -s KILL 300" in running():  # which holds it to its time
            await asyncio.to_thread(running)
        assert "python3 .code" in running()
        await (await workspaces.records.open()).pool.execute(BEGUN_LONG_AGO)
        while not workspaces.ended:
            await workspaces.end_overdue()

    assert "python3 .code" not in running()
    assert (await workspaces.get("box")).state == "running"
