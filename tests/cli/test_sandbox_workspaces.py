"""`resprout sandbox create | exec | cp | ls | snapshot | …` as people type them, and killed in the middle."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities.sandbox.workspace import WorkspaceSpec
from resprout.activities.sandbox.workspaces import Workspaces
from resprout.memory.migrate import migrate
from support.engine import engine_api, images
from support.stack import RESPROUT, Result, clean_environment, resprout
from support.workspaces import opened

__all__ = ["engine_api", "images"]

Say = Callable[..., Result]

# Says so when what it looks for is there.
STAGED = "import glob, time\nwhile not glob.glob('.resprout-*/item'): time.sleep(.002)\nprint('seen', flush=True)"
PACKING = """
import glob, time
def words(path):
    try: return open(path, 'rb').read().split(b'\\0')
    except OSError: return []
while not any(words(path)[:1] == [b'tar'] for path in glob.glob('/proc/[0-9]*/cmdline')): time.sleep(.002)
print('seen', flush=True)
"""
OURS = "import glob; print(*glob.glob('.resprout-*')); print(*(open(p).read() for p in glob.glob('/proc/[0-9]*/comm')))"


@pytest.fixture(scope="module")
async def environment(postgres: str) -> dict[str, str]:
    await migrate(postgres)
    return {"RESPROUT_POSTGRES_DSN": postgres}


@pytest.fixture(scope="module")
async def box(environment: dict[str, str], images: None) -> AsyncIterator[Workspaces]:
    """A workspace `box`, seen from this process as well."""
    async with opened(environment["RESPROUT_POSTGRES_DSN"]) as workspaces:
        limits = {"disk": "200MB", "memory": "500MB"}
        spec = {"language": "python", "isolation": "container", "limits": limits}
        await workspaces.create("box", WorkspaceSpec.model_validate(spec))
        yield workspaces
        for one in await workspaces.list():
            await workspaces.remove(one.name)


@pytest.fixture
def say(environment: dict[str, str], tmp_path: Path) -> Say:
    return lambda *words: resprout("sandbox", *words, env=environment, cwd=tmp_path)


def started(environment: dict[str, str], cwd: Path, *words: str) -> "subprocess.Popen[bytes]":
    env = {**clean_environment(), **environment}
    return subprocess.Popen([*RESPROUT, "sandbox", *words], env=env, cwd=cwd, stdout=subprocess.PIPE)


def killed(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def seen(box: Workspaces, code: str) -> "asyncio.Task[Any]":
    """When the code in the workspace has found what it looks for."""
    found = asyncio.Event()
    watch = lambda stream, piece: found.set()  # noqa: E731
    looking = asyncio.create_task(box.run("box", {"code": code, "timeout": "60s"}, watch=watch))
    await found.wait()
    return looking


async def quiet(box: Workspaces) -> None:
    """When nothing of ours is in the workspace any more."""
    async with asyncio.timeout(20):
        while True:
            files, programs = (await box.run("box", {"code": OURS})).stdout.text.split("\n", 1)
            if not files and "tar" not in programs.split():
                return


def test_a_workspace_from_its_beginning_to_its_end(box: Workspaces, say: Say, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("12345")

    assert say("create", "desk", "-l", "python", "--isolation", "container").returncode == 0
    assert say("cp", "data.csv", "desk:in/").stderr == "1 file, 5 bytes\n"
    ran = say("exec", "desk", "-c", "print(len(open('in/data.csv').read())); open('out', 'w').write('x'); exit(3)")
    assert (ran.returncode, ran.stdout) == (3, "5\n")
    assert [one["path"] for one in json.loads(say("ls", "desk", "--json").stdout)] == ["in", "out"]
    assert say("cp", "desk:out", "got").returncode == 0
    assert (tmp_path / "got").read_text() == "x"
    assert json.loads(say("snapshot", "desk", "--as", "first", "--json").stdout)["name"] == "first"
    assert say("restore", "first", "second").stdout == "second is as first was\n"
    assert say("exec", "second", "--", "cat", "in/data.csv").stdout == "12345"
    assert say("pause", "second").stdout == "second is paused\n"
    assert "resprout sandbox resume second" in say("exec", "second", "--", "true").stderr
    assert say("resume", "second").returncode == 0
    states = {one["name"]: one["state"] for one in json.loads(say("list", "--json").stdout)}
    assert states == {"box": "running", "desk": "running", "second": "running"}
    assert say("rm", "desk", "second").returncode == 0
    assert say("snapshots", "--rm", "first", "--json").stdout == "[]\n"
    assert "root" not in (gone := say("exec", "desk", "--", "true").stderr) or "removed it" in gone


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("exec", "bx", "--", "true"), "there is no workspace bx: did you mean `box`?"),
        (("exec", "box"), "add `code:` or `run:`"),
        (("create", "a/b"), "is no name of a workspace"),
        (("create", "box"), "there is a workspace box with another spec"),
        (("create", "new", "--isolation", "process"), "a workspace is kept in a container"),
        (("create", "new", "--memory", "12"), "limits.memory: '12' is not a size"),
        (("create", "new", "--life", "90d"), "or raise sandbox.life_seconds"),
        (("cp", "a", "b"), "write it as NAME:PATH"),
        (("cp", "nothing", "box:"), "nothing is not there"),
        (("cp", "box:../x", "."), "leads out of /work"),
        (("cp", "box:nothing", "."), "there is no `nothing` in the workspace box"),
        (("restore", "none"), "there is no snapshot none"),
        (("rm", "none"), "there is no workspace none"),
        (("pause", "box", "--timeout", "x"), "--timeout: 'x' is not a length of time"),
    ],
)
def test_a_mistake_is_one_sentence(box: Workspaces, say: Say, words: tuple[str, ...], says: str) -> None:
    done = say(*words)

    assert (done.returncode in (2, 3), says in done.stderr) == (True, True), done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_engine_it_says_so(environment: dict[str, str]) -> None:
    done = resprout("sandbox", "create", "x", env={**environment, "DOCKER_HOST": "unix:///nowhere"})

    assert (done.returncode, "No Docker engine answers at unix:///nowhere" in done.stderr) == (3, True), done.stderr


async def test_exec_that_is_killed_loses_nothing_and_its_key_runs_once(
    box: Workspaces, environment: dict[str, str], say: Say, tmp_path: Path
) -> None:
    code = "import time; open('runs', 'a').write('x'); print('begun', flush=True); time.sleep(2); print('ended')"
    first = started(environment, tmp_path, "exec", "box", "--key", "k", "-c", code)
    assert first.stdout is not None
    assert await asyncio.to_thread(first.stdout.readline) == b"begun\n"
    killed(first)

    second = await asyncio.to_thread(say, "exec", "box", "--key", "k", "-c", code)

    assert (second.returncode, second.stdout) == (0, "begun\nended\n"), second.stderr
    assert (await box.run("box", {"run": "cat runs"})).stdout.text == "x"


async def test_cp_that_is_killed_leaves_nothing_by_half(
    box: Workspaces, environment: dict[str, str], say: Say, tmp_path: Path
) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(150 << 20)
    looking = asyncio.create_task(seen(box, STAGED))
    copying = started(environment, tmp_path, "cp", "large", "box:large")
    await (await looking)
    killed(copying)

    await quiet(box)
    assert (await box.run("box", {"run": "ls large"})).exit_code == 2
    (tmp_path / "small").write_text("small")
    assert (await asyncio.to_thread(say, "cp", "small", "box:")).returncode == 0


async def test_a_snapshot_that_is_killed_is_none_and_the_workspace_goes_on(
    box: Workspaces, environment: dict[str, str], say: Say, tmp_path: Path
) -> None:
    await box.run("box", {"run": "head -c 100000000 /dev/urandom >large"})
    looking = asyncio.create_task(seen(box, PACKING))
    taking = started(environment, tmp_path, "snapshot", "box", "--as", f"s-{uuid4().hex}")
    await (await looking)
    killed(taking)

    await quiet(box)
    await box.run("box", {"run": "rm large"})
    assert json.loads((await asyncio.to_thread(say, "snapshots", "--json")).stdout) == []


async def test_a_port_is_exposed_until_the_command_ends(
    box: Workspaces, environment: dict[str, str], tmp_path: Path
) -> None:
    server = {"run": "echo hello >index.html; exec python3 -m http.server 8000 --bind 127.0.0.1", "timeout": "60s"}
    begun = asyncio.Event()
    serving = asyncio.create_task(box.run("box", server, watch=lambda stream, piece: begun.set()))
    exposing = started(environment, tmp_path, "expose", "box", "8000", "--socket", "s", "--json")
    assert exposing.stdout is not None
    at = json.loads(await asyncio.to_thread(exposing.stdout.readline))["at"]

    fetch = ["curl", "-s", "--retry", "9", "--retry-all-errors", "--unix-socket", at, "http://x/"]
    fetched = await asyncio.to_thread(subprocess.run, fetch, capture_output=True, cwd=tmp_path, check=True)
    exposing.send_signal(signal.SIGINT)

    assert fetched.stdout == b"hello\n"
    assert await asyncio.to_thread(exposing.wait, 10) == 0
    assert not (tmp_path / "s").exists()
    serving.cancel()
    await asyncio.wait({serving})
