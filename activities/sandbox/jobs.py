"""A spec as the job that a backend is given: checked, with the contents of its files and the values of its secrets.

The invariant: nothing of it starts anything. What cannot be run is refused here, before a backend is asked.
"""

import base64
import hashlib
import json
from typing import Any

from ...actors.errors import Rejected
from ..secrets import SCHEME, KnowsSecrets, Veil
from .backend import BadSpec, Job
from .spec import Isolation, SandboxSpec, is_unicode, problems

EXACT = 2**53  # below it, floating point knows each whole number


def check(spec: SandboxSpec) -> None:
    found = list(problems(spec))
    if found:
        where = [".".join(map(str, problem.path)) for problem in found]
        said = [
            f"{at + ': ' if at else ''}{problem.said}; {problem.fix}" for at, problem in zip(where, found, strict=True)
        ]
        shown = ". ".join(said).encode(errors="backslashreplace").decode()  # a name may be no Unicode
        raise BadSpec(f"this sandbox cannot be run: {shown}.")


def job_of(
    key: str, spec: SandboxSpec, isolation: Isolation, secrets: KnowsSecrets, veil: Veil, workspace: str | None = None
) -> Job:
    names = {variable: reference.removeprefix(SCHEME) for variable, reference in spec.secrets.items()}
    values = {name: _secret(secrets, name) for name in names.values()}
    env = {name: _plain(value) for name, value in spec.env.items()}
    env |= {variable: values[name] for variable, name in names.items()}
    return Job(key, spec, isolation, contents(spec), env, veil.over(values), workspace=workspace)


def contents(spec: SandboxSpec) -> dict[str, bytes]:
    return {path: _content(path, value) for path, value in spec.files.items()}


def _content(path: str, value: Any) -> bytes:
    match value:
        case str():
            return value.encode()
        case {"base64": str(encoded), **rest} if not rest:
            try:
                return base64.b64decode(encoded, validate=True)
            except ValueError:
                raise BadSpec(f"files.{path}: `base64` holds something else.") from None
    return json.dumps(value, ensure_ascii=False).encode()


def _secret(secrets: KnowsSecrets, name: str) -> str:
    value = secrets.value(name)
    if "\0" in value or not is_unicode(value):
        raise Rejected(f"the secret {name} is no text that a variable can hold: store it as UTF-8, without NUL.")
    return value


def _plain(value: str | float | bool) -> str:
    """A number that came through JSON may be 20.0 where 20 was written."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def hash_of(job: Job) -> bytes:
    """Without the values of secrets, which could be guessed by it."""
    said = json.dumps(job.veil.hidden(job.spec.model_dump(mode="json")), sort_keys=True)
    return hashlib.sha256(said.encode()).digest()
