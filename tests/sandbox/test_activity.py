"""The activity `sandbox.run`: what cannot be run is refused at once, and not tried again."""

from typing import Any

import pytest
from resprout.activities.contracts import SandboxInput
from resprout.activities.run_sandbox import RunSandbox
from resprout.activities.sandbox.backend import Ending, Job, Watch
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.actors.errors import Rejected
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment


class NoSecrets:
    def value(self, name: str) -> str:
        raise Rejected(f"there is no secret {name}.")


class NeverRuns(ProcessSandbox):
    async def run(self, job: Job, watch: Watch) -> Ending:
        raise AssertionError("it was started")


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ({"image": "a/b:1", "run": "ls"}, "NoSandbox", "the process sandbox has no images"),
        ({"isolation": "container"}, "NoSandbox", "there is no `isolation: container` here"),
        ({"limits": {"memory": "1KB"}}, "NoSandbox", "the process sandbox cannot run in 1KB"),
        ({"files": {"../x": ""}}, "BadSpec", "leads out of the sandbox's directory"),
        ({"files": {"x": "", "x/y": ""}}, "BadSpec", "`x/y` cannot be where the file `x` is"),
        ({"files": {"x": {"base64": "!"}}}, "BadSpec", "`base64` holds something else"),
        ({"collect": ("/etc/*",)}, "BadSpec", "leads out of the sandbox's directory"),
        ({"cwd": ".."}, "BadSpec", "leads out of the sandbox's directory"),
        ({"net": ("*:443",)}, "BadSpec", "`*:443` is not a host and port"),
        ({"secrets": {"TOKEN": "secret://token"}}, "Rejected", "there is no secret token"),
        ({"env": {"A": "x\0--bind\0/\0/tmp/host"}}, "BadSpec", "env.A: it holds the character NUL"),
        ({"secrets": {"A": "x\0--share-net"}}, "BadSpec", "secrets.A: it holds the character NUL"),
        ({"image": "a/b:1", "run": "echo a\0b"}, "BadSpec", "run: it holds the character NUL"),
        ({"image": "a/b:1", "run": ["echo", "a\0b"]}, "BadSpec", "run.1: it holds the character NUL"),
        ({"env": {"A": "\ud800"}}, "BadSpec", "env.A: it holds half a character"),
        ({"env": {"\ud800": "x"}}, "BadSpec", r"is no name of an environment variable"),
        ({"stdin": "\udc80"}, "BadSpec", "stdin: it holds half a character"),
        ({"files": {"x": {"a": ["\ud800"]}}}, "BadSpec", "files.x: it holds half a character"),
    ],
)
async def test_what_cannot_be_run_is_refused_for_good_before_anything_starts(
    words: dict[str, Any], kind: str, says: str
) -> None:
    code = {} if "image" in words else {"language": "shell", "code": "x"}
    spec = SandboxSpec.model_validate({**code, **words})
    activity = RunSandbox(Sandboxes({"process": NeverRuns()}, NoSecrets(), "process"))

    with pytest.raises(ApplicationError, match=says.replace("*", ".")) as refused:
        await ActivityEnvironment().run(activity.run, SandboxInput(spec=spec))

    assert refused.value.type == kind
    assert refused.value.non_retryable
