"""Workspaces keep what was done in them, hold their commands to their limits, and can be found again by anybody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from docker import APIClient
from resprout.activities.sandbox.docker.names import Labels
from resprout.activities.sandbox.result import SandboxResult
from resprout.activities.sandbox.workspace import WorkspaceSpec
from resprout.activities.sandbox.workspaces import Workspaces
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
    result = await run(workspaces, code, timeout="1s")

    assert (result.ended, result.stdout.text) == ("timeout", "begun\n"), result
    assert await processes(workspaces) == []


async def test_what_it_left_running_ends_with_it_and_another_command_goes_on(workspaces: Workspaces) -> None:
    other = asyncio.create_task(run(workspaces, "import time; time.sleep(3); print('other')"))
    result = await run(workspaces, "import subprocess; subprocess.Popen(['sleep', '62'], start_new_session=True)")

    assert (result.ended, result.exit_code, result.seconds < 2) == ("exit", 0, True), result
    assert await processes(workspaces) == []
    assert (await other).stdout.text == "other\n"
