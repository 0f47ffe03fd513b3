"""Workspaces keep what was done in them, hold their commands to their limits, and can be found again by anybody."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import InDoubt, NoSandbox
from resprout.activities.sandbox.docker import transfer
from resprout.activities.sandbox.docker.names import Labels
from resprout.activities.sandbox.result import SandboxResult
from resprout.activities.sandbox.workspace import WorkspacePaused, WorkspaceSpec
from resprout.activities.sandbox.workspace_files import WorkspaceFiles
from resprout.activities.sandbox.workspace_snapshots import WorkspaceSnapshots
from resprout.activities.sandbox.workspaces import Workspaces
from resprout.actors.errors import NotFound, Rejected, TooLarge
from resprout.memory.migrate import migrate
from support.workspaces import opened


@pytest.fixture(scope="module")
async def module_dsn(postgres: str) -> str:
    await migrate(postgres)
    return postgres


@pytest.fixture(scope="module", params=["container", "gvisor"])
async def workspaces(
    request: pytest.FixtureRequest, module_dsn: str, images: None, engine_api: APIClient
) -> AsyncIterator[Workspaces]:
    """One workspace, `box`, shared by the tests of each isolation."""
    if request.param == "gvisor" and "runsc" not in engine_api.info()["Runtimes"]:
        pytest.skip("the engine has no runsc")
    async with opened(module_dsn, tenant=request.param) as made:
        spec = {"language": "python", "isolation": request.param, "limits": {"output": "64KB"}}
        await made.create("box", WorkspaceSpec.model_validate(spec))
        yield made
        await made.remove("box")
        label = f"{Labels.instance}={made.home._instance}"
        left = engine_api.containers(all=True, filters={"label": label})
        assert [one["Names"] for one in left] == []


async def run(workspaces: Workspaces, code: str, key: str | None = None, **words: Any) -> SandboxResult:
    return await workspaces.run("box", {"code": code, **words}, key)


async def processes(workspaces: Workspaces) -> list[str]:
    """The command lines in it, but for those that look."""
    code = """
import glob
for path in glob.glob('/proc/[0-9]*/cmdline'):
    try: line = open(path, 'rb').read().replace(b'\\0', b' ').decode()
    except OSError: continue
    print(line.replace('\\n', ' ')[:60])
"""
    return [line for line in (await run(workspaces, code)).stdout.text.splitlines() if "sleep 6" in line]


async def test_what_one_command_leaves_the_next_one_finds(workspaces: Workspaces) -> None:
    first = await run(workspaces, "open('n', 'w').write('42'); print('written')")
    second = await workspaces.run("box", {"run": "cat n; echo err >&2; exit 3"})

    assert (first.ended, first.exit_code, first.stdout.text) == ("exit", 0, "written\n")
    assert (second.exit_code, second.stdout.text, second.stderr.text) == (3, "42", "err\n")


async def test_input_variables_and_the_directory_arrive(workspaces: Workspaces) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.environ['A-B'], os.getcwd(), os.getuid())"

    result = await run(workspaces, code, stdin="in", env={"A-B": "it's $HOME"}, cwd="sub")

    assert result.stdout.text == "in it's $HOME /work/sub 65532\n", result


async def test_want_of_memory_is_told_long_before_the_time_is_over(workspaces: Workspaces) -> None:
    """Under gVisor it mostly costs the workspace."""
    isolation = workspaces.tenant
    spec = {"language": "python", "isolation": isolation, "limits": {"memory": "64MB"}}
    await workspaces.create("hungry", WorkspaceSpec.model_validate(spec))
    hog = {"code": "x = [b'x' * (1 << 20) for _ in range(1024)]", "timeout": "10m"}
    try:
        async with asyncio.timeout(100):
            ended: Any = (await workspaces.run("hungry", hog)).ended
    except InDoubt as error:
        ended = error
    finally:
        await workspaces.remove("hungry")

    assert ended == "memory" or (isolation == "gvisor" and "for want of memory" in str(ended))


async def test_time_that_is_up_ends_it_with_what_became_a_daemon(workspaces: Workspaces) -> None:
    code = """
import os, time, subprocess
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvpe('sleep', ['sleep', '61'], {'PATH': os.environ['PATH']})
    os._exit(0)
print('begun', flush=True)
time.sleep(60)
"""
    result = await run(workspaces, code, timeout="8s")

    assert (result.ended, result.stdout.text) == ("timeout", "begun\n"), result
    assert await processes(workspaces) == []


async def test_who_floods_both_streams_is_ended(workspaces: Workspaces) -> None:
    code = """
import os
for n in range(8_000):
    try: os.write(1 + n % 2, b'x' * 4096)
    except OSError: pass
"""
    result = await run(workspaces, code, timeout="60s")

    assert (result.ended, result.stdout.is_cut, result.stderr.is_cut) == ("output", True, True), result


async def test_what_it_left_running_ends_with_it_and_another_command_goes_on(workspaces: Workspaces) -> None:
    """Under gVisor it is one command at a time, so there is no other one to go on."""
    has_others = workspaces.tenant != "gvisor"
    waits = "import os, time\nwhile not os.path.exists('go'): time.sleep(.02)\nprint('other')"
    other = asyncio.create_task(run(workspaces, waits, timeout="5m")) if has_others else None
    result = await run(workspaces, "import subprocess; subprocess.Popen(['sleep', '62'], start_new_session=True)")

    assert (result.ended, result.exit_code) == ("exit", 0), result
    assert await processes(workspaces) == []
    if other is not None:
        assert not other.done()
        await workspaces.run("box", {"run": "touch go"})
        assert (await other).stdout.text == "other\n"


async def test_commands_of_two_processes_at_once_do_not_cost_the_workspace(
    workspaces: Workspaces, module_dsn: str
) -> None:
    async with opened(module_dsn, tenant=workspaces.tenant) as other:
        for number in range(12):
            both = (each.run("box", {"run": f"sleep 0.0{number % 5} & echo {number}"}) for each in (workspaces, other))
            assert [one.stdout.text for one in await asyncio.gather(*both)] == [f"{number}\n"] * 2

    assert (await workspaces.get("box")).state == "running"


async def test_a_directory_goes_in_and_comes_out_as_it_was(workspaces: Workspaces, tmp_path: Path) -> None:
    files = WorkspaceFiles(workspaces)
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/big").write_bytes(bytes(range(256)) * 20_000)
    (tmp_path / "tree/sub/run.sh").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "tree/sub/run.sh").chmod(0o755)
    (tmp_path / "tree/link").symlink_to("/etc/passwd")

    sent = await files.upload(tmp_path / "tree", "box", "in/")
    ran = await workspaces.run("box", {"run": "in/tree/sub/run.sh && cd in/tree && find . | sort"})
    got = await files.download("box", "in/tree", tmp_path / "out")

    assert ran.stdout.text == "ran\n.\n./big\n./sub\n./sub/run.sh\n", ran
    assert (sent.files, got.files, "link" in sent.left_out[0]) == (2, 2, True)
    assert (tmp_path / "out/big").read_bytes() == (tmp_path / "tree/big").read_bytes()
    assert os.access(tmp_path / "out/sub/run.sh", os.X_OK)


async def test_links_and_pipes_of_a_workspace_do_not_come_out(workspaces: Workspaces, tmp_path: Path) -> None:
    code = """
import os
os.makedirs('bad/real')
open('bad/real/good', 'w').write('good')
os.symlink('/etc', 'bad/etc'); os.symlink('/etc/passwd', 'bad/passwd')
os.mkfifo('bad/pipe'); os.link('bad/real/good', 'bad/second')
open('bad/new\\nline', 'w')
"""
    await run(workspaces, code)
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "out/bad").mkdir()
    (tmp_path / "out/bad/real").symlink_to(tmp_path / "victim")

    with pytest.raises(Rejected, match="in the way"):
        await WorkspaceFiles(workspaces).download("box", "bad", tmp_path / "out")
    (tmp_path / "out/bad/real").unlink()
    copied = await WorkspaceFiles(workspaces).download("box", "bad", tmp_path / "out")

    assert list((tmp_path / "victim").iterdir()) == []
    there = {path.name for path in (tmp_path / "out/bad").rglob("*") if not path.is_dir()}
    assert there in ({"good"}, {"second"})
    assert all(any(name in said for said in copied.left_out) for name in ("etc", "passwd", "pipe", "line"))


async def test_paths_that_lead_out_are_refused_and_missing_ones_named(workspaces: Workspaces, tmp_path: Path) -> None:
    files = WorkspaceFiles(workspaces)

    for path in ("../x", "/etc/passwd", "a/../../b"):
        with pytest.raises(Rejected, match="leads out of /work"):
            await files.download("box", path, tmp_path)
    with pytest.raises(NotFound, match="there is no `nothing` in the workspace box"):
        await files.download("box", "nothing", tmp_path)
    with pytest.raises(TooLarge, match="more than the 64MB"):
        await files.write("box", "large", bytes(65 << 20))


async def test_files_are_listed_and_single_ones_read_and_written(workspaces: Workspaces) -> None:
    files = WorkspaceFiles(workspaces)
    await files.write("box", "shelf/b.txt", b"12345")

    assert await files.read("box", "/work/shelf/b.txt") == b"12345"
    assert [(one.path, one.kind, one.size) for one in await files.list("box", "shelf")] == [("b.txt", "file", 5)]
    assert "shelf/b.txt" in [one.path for one in await files.list("box", deep=True)]


async def test_a_snapshot_comes_back_exactly_and_begins_another_workspace(workspaces: Workspaces) -> None:
    snapshots, name = WorkspaceSnapshots(workspaces), f"snap-{uuid4().hex[:6]}"
    code = """
import os, shutil
for one in os.listdir('.'): shutil.rmtree(one) if os.path.isdir(one) else os.remove(one)
os.makedirs('d/e'); open('d/e/f', 'w').write('x' * 100); os.symlink('d/e', 'l'); os.chmod('d', 0o555)
open('.hidden', 'w'); open('whole', 'w'); open('-dash', 'w').write('1')
os.mkdir('empty'); os.chmod('.hidden', 0o600)
"""
    listing = {"run": "find . -printf '%y %m %s %l %p\\n' | grep -v ' [.]$' | sort"}
    await run(workspaces, code)
    before = (await workspaces.run("box", listing)).stdout.text

    taken = await snapshots.take("box", name)
    await workspaces.run("box", {"run": "chmod 755 d; rm -rf d l; echo more >more"})
    await snapshots.restore(name)
    await snapshots.restore(name, "second")
    try:
        assert taken.size > 0
        assert (await workspaces.run("box", listing)).stdout.text == before
        assert (await workspaces.run("second", listing)).stdout.text == before
    finally:
        await workspaces.remove("second")
        await snapshots.remove(name)


@pytest.mark.parametrize("before", ['mv -T "$stage/old"', 'move_all "$stage/new"', 'mv -T "$stage/out" "$stage/gone"'])
async def test_a_restore_that_is_ended_in_the_middle_changes_nothing(
    workspaces: Workspaces, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    snapshots, name = WorkspaceSnapshots(workspaces), f"snap-{uuid4().hex[:6]}"
    await workspaces.run("box", {"run": "chmod -R u+w .; rm -rf ./* ./.hidden; mkdir -p d/e; echo 1 >d/a; echo 1 >b"})
    await snapshots.take("box", name)
    await workspaces.run("box", {"run": "echo 2 >d/a; echo 2 >b; echo 2 >c; chmod 555 d"})
    start, _, rest = transfer._FILES.partition("unpack() {")
    monkeypatch.setattr(transfer, "_FILES", f"{start}unpack() {{{rest.replace(before, f'kill -KILL $$; {before}', 1)}")

    with pytest.raises(NoSandbox):
        await snapshots.restore(name, "box")

    monkeypatch.undo()
    left = await workspaces.run("box", {"run": "cat d/a b c; ls -A; find . -name d -printf %m; chmod u+w d"})
    assert left.stdout.text == "2\n2\n2\nb\nc\nd\n555", left
    await snapshots.remove(name)


async def test_a_directory_that_meets_another_thing_changes_nothing(workspaces: Workspaces, tmp_path: Path) -> None:
    (tmp_path / "met").mkdir()
    for name in "abcz":
        (tmp_path / "met" / name).write_text("new\n")
    await workspaces.run("box", {"run": "mkdir -p met/b/inner && echo old | tee met/a met/c >met/z"})

    with pytest.raises(Rejected, match="in the way"):
        await WorkspaceFiles(workspaces).upload(tmp_path / "met", "box", ".")
    assert (await workspaces.run("box", {"run": "cat met/a met/c met/z"})).stdout.text == "old\n" * 3

    await workspaces.run("box", {"run": "rm -r met/b"})
    await WorkspaceFiles(workspaces).upload(tmp_path / "met", "box", ".")
    assert (await workspaces.run("box", {"run": "cat met/*"})).stdout.text == "new\n" * 4


async def test_a_paused_workspace_refuses_and_goes_on_when_it_is_resumed(workspaces: Workspaces) -> None:
    begun = asyncio.Event()
    words = {"code": "import time\nfor n in range(20): print(n, flush=True); time.sleep(.1)"}
    counting = asyncio.create_task(workspaces.run("box", words, watch=lambda stream, piece: begun.set()))
    await begun.wait()
    paused = await workspaces.pause("box")

    assert paused.state == "paused"
    with pytest.raises(WorkspacePaused, match="resprout sandbox resume box"):
        await workspaces.run("box", {"run": "true"})
    assert (await workspaces.resume("box")).state == "running"
    assert (await counting).stdout.text.splitlines()[-1] == "19"


async def test_a_port_is_served_to_its_owner_and_to_nobody_else(workspaces: Workspaces, tmp_path: Path) -> None:
    server = {"run": "echo hello >index.html; exec python3 -m http.server 8000 --bind 127.0.0.1", "timeout": "60s"}
    serving = asyncio.create_task(workspaces.run("box", server))

    async with workspaces.port("box", 8000) as port, port.on_loopback() as number:
        async with port.on_socket(tmp_path / "s") as path:
            assert path.stat().st_mode & 0o777 == 0o600
            assert await fetched(["curl", "-s", "--unix-socket", str(path), "http://x/"]) == "hello\n"
        url = f"http://127.0.0.1:{number}/"
        assert await fetched(["curl", "-s", url]) == "hello\n"
        if os.geteuid() == 0:
            assert await fetched(["curl", "-s", url], user=65534) == ""
            assert port.refused == 1
            assert await fetched(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{number}; echo x >&3"], user=65534) == ""
            assert port.refused == 2

    serving.cancel()
    await asyncio.wait({serving})
    assert not (tmp_path / "s").exists()


async def fetched(words: list[str], user: int | None = None) -> str:
    """What comes, as soon as somebody listens; to another user nothing comes."""
    async with asyncio.timeout(20):
        while True:
            process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, user=user)
            said, _ = await process.communicate()
            if said or user is not None:
                return said.decode()
