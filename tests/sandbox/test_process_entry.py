"""How a process sandbox is entered: in its control group and as its user before anything of it runs."""

import os

import pytest
from resprout.activities.sandbox.backend import BadSpec
from resprout.activities.sandbox.process import launch, sandbox
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.spec import SandboxSpec
from sandbox.conftest import Sandboxed

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
