"""`resprout sandbox create | exec | cp | ls | snapshot | …` as people type them, and killed in the middle."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.activities.sandbox.workspace import WorkspaceSpec
from resprout.activities.sandbox.workspaces import Workspaces
from resprout.memory.migrate import migrate
from support.engine import engine_api, images
from support.stack import RESPROUT, Result, clean_environment, resprout
from support.workspaces import opened

__all__ = ["engine_api", "images"]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text()
Say = Callable[..., Result]

# Say when they look, and when what they look for is there.
STAGED = """
import glob, time
print('looks', flush=True)
while not glob.glob('.resprout-*/new/item'): time.sleep(.002)
print('seen', flush=True)
"""
PACKING = """
import glob, time
print('looks', flush=True)
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
    """A workspace `crate`, seen from this process as well."""
    async with opened(environment["RESPROUT_POSTGRES_DSN"]) as workspaces:
        limits = {"disk": "200MB", "memory": "500MB"}
        spec = {"language": "python", "isolation": "container", "limits": limits}
        await workspaces.create("crate", WorkspaceSpec.model_validate(spec))
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


async def killed_when_seen(box: Workspaces, code: str, begin: Callable[[], "subprocess.Popen[bytes]"]) -> None:
    """Begins it while the code in the workspace looks, and kills it at once when that has found what it looks for."""
    said = asyncio.Queue[bytes]()
    words = {"code": code, "timeout": "60s"}
    looking = asyncio.create_task(box.run("crate", words, watch=lambda stream, piece: said.put_nowait(piece)))
    async with asyncio.timeout(80):
        await heard(said, b"looks")
        process = begin()
        try:
            await heard(said, b"seen")
        finally:
            killed(process)
        await looking


async def heard(said: asyncio.Queue[bytes], word: bytes) -> None:
    """It may come in pieces."""
    text = b""
    while word not in text:
        text += await said.get()


async def quiet(box: Workspaces) -> None:
    """When nothing of ours is in the workspace any more."""
    async with asyncio.timeout(60):
        while True:
            files, programs = (await box.run("crate", {"code": OURS})).stdout.text.split("\n", 1)
            if not files and "tar" not in programs.split():
                return


def test_what_the_page_shows_is_typed_and_works(box: Workspaces, environment: dict[str, str], tmp_path: Path) -> None:
    section = PAGE.split("## Workspaces")[1].split("\n## ")[0]
    shown = "".join(re.findall(r"^```shell\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL))
    (tmp_path / "resprout").write_text(f'#!/bin/sh\nexec {shlex.join(RESPROUT)} "$@"\n')
    (tmp_path / "resprout").chmod(0o755)
    env = {**clean_environment(), **environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", "-e", "-c", shown],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "total").read_text() == "6"
    for said in ("summed is kept", "second is as summed was", "second is paused", "site:8000 is at http://127.0.0.1:"):
        assert said in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("exec", "crat", "--", "true"), "there is no workspace crat: did you mean `crate`?"),
        (("exec", "crate"), "add `code:` or `run:`"),
        (("create", "crate"), "there is a workspace crate with another spec"),
        (("create", "new", "--memory", "12"), "limits.memory: '12' is not a size"),
        (("cp", "a", "b"), "write it as NAME:PATH"),
        (("cp", "nothing", "crate:"), "nothing is not there"),
        (("restore", "none"), "there is no snapshot none"),
        (("pause", "crate", "--timeout", "x"), "--timeout: 'x' is not a length of time"),
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
    first = started(environment, tmp_path, "exec", "crate", "--key", "k", "-c", code)
    assert first.stdout is not None
    assert await asyncio.to_thread(first.stdout.readline) == b"begun\n"
    killed(first)

    second = await asyncio.to_thread(say, "exec", "crate", "--key", "k", "-c", code)

    assert (second.returncode, second.stdout) == (0, "begun\nended\n"), second.stderr
    assert (await box.run("crate", {"run": "cat runs"})).stdout.text == "x"


async def test_cp_that_is_killed_leaves_nothing_by_half(
    box: Workspaces, environment: dict[str, str], say: Say, tmp_path: Path
) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(150 << 20)
    await killed_when_seen(box, STAGED, lambda: started(environment, tmp_path, "cp", "large", "crate:large"))

    await quiet(box)
    assert (await box.run("crate", {"run": "ls large"})).exit_code == 2
    (tmp_path / "small").write_text("small")
    assert (await asyncio.to_thread(say, "cp", "small", "crate:")).returncode == 0


async def test_a_snapshot_that_is_killed_is_none_and_the_workspace_goes_on(
    box: Workspaces, environment: dict[str, str], say: Say, tmp_path: Path
) -> None:
    await box.run("crate", {"run": "head -c 100000000 /dev/urandom >large"})
    words = ("snapshot", "crate", "--as", f"s-{uuid4().hex}")
    await killed_when_seen(box, PACKING, lambda: started(environment, tmp_path, *words))

    await quiet(box)
    await box.run("crate", {"run": "rm large"})
    assert json.loads((await asyncio.to_thread(say, "snapshots", "--json")).stdout) == []


async def test_a_port_is_exposed_until_the_command_ends(
    box: Workspaces, environment: dict[str, str], tmp_path: Path
) -> None:
    server = {"run": "echo hello >index.html; exec python3 -m http.server 8000 --bind 127.0.0.1", "timeout": "60s"}
    begun = asyncio.Event()
    serving = asyncio.create_task(box.run("crate", server, watch=lambda stream, piece: begun.set()))
    exposing = started(environment, tmp_path, "expose", "crate", "8000", "--socket", "s", "--json")
    assert exposing.stdout is not None
    at = json.loads(await asyncio.to_thread(exposing.stdout.readline))["at"]

    fetch = ["curl", "-s", "--retry", "9", "--retry-all-errors", "--unix-socket", at, "http://x/"]
    fetched = await asyncio.to_thread(subprocess.run, fetch, capture_output=True, cwd=tmp_path, check=True)
    exposing.send_signal(signal.SIGINT)

    assert fetched.stdout == b"hello\n"
    assert await asyncio.to_thread(exposing.wait, 60) == 0
    assert not (tmp_path / "s").exists()
    serving.cancel()
    await asyncio.wait({serving})
