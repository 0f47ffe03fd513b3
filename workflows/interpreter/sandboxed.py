"""The task `sandbox`: what is handed to the activity, and how its result looks to the flow."""

from typing import Any

from pydantic import ValidationError

from ...activities.sandbox.result import ResultFile, SandboxResult
from ...activities.sandbox.spec import SandboxSpec
from ..flow import evaluate
from ..flow.error_types import SANDBOX_FAILED
from ..flow.model import Sandbox
from ..flow.slots import SANDBOX_SLOTS
from .failures import UNFIT, TaskFailed

SAID = 500  # characters of the error stream that a failure repeats


def spec_of(task: Sandbox, scope: dict[str, Any]) -> SandboxSpec:
    words = {word: evaluate(getattr(task.sandbox, word), scope) for word in SANDBOX_SLOTS}
    given = task.sandbox.model_dump(mode="json", exclude_defaults=True)
    try:
        return SandboxSpec.model_validate(given | {word: value for word, value in words.items() if value is not None})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise TaskFailed(UNFIT, f"`sandbox.{where}`: {problem['msg']}", task.key) from None


def output_of(result: SandboxResult, task: Sandbox) -> dict[str, Any]:
    if not result.is_success:
        why = result.reason or f"its exit code is {result.exit_code}."
        said = (result.stderr.text or result.stdout.text).strip()[-SAID:]
        raise TaskFailed(
            SANDBOX_FAILED, f"the program in the sandbox failed: {why}{f' It said: {said}' if said else ''}", task.key
        )
    return {
        "stdout": result.stdout.text,
        "stderr": result.stderr.text,
        "cut": result.stdout.is_cut or result.stderr.is_cut,
        "exit_code": result.exit_code,
        "files": {file.path: _file(file) for file in result.files},
        "note": result.reason,
        "seconds": result.seconds,
        "cpu_seconds": result.cpu_seconds,
        "peak_memory": result.peak_memory,
        "isolation": result.isolation,
    }


def _file(file: ResultFile) -> Any:
    """Text as text; anything else as a mapping that can be put into another sandbox, or that names what is aside."""
    if file.text is not None:
        return file.text
    if file.base64 is not None:
        return {"base64": file.base64}
    return {"size": file.size, "sha256": file.sha256}
