"""`resprout sandbox run`: one run, its output while it comes, its files afterwards.

It needs no stack. With `--key` it is on record in Postgres, and the same key never runs twice.
"""

import asyncio
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

if TYPE_CHECKING:
    from ...activities.sandbox.result import SandboxResult
    from ...activities.sandbox.spec import SandboxSpec

from ...actors.errors import ConfigError, Rejected
from ..settings import Settings
from .flags import settings_of
from .inputs import read_pairs
from .run_options import AsJson

BY_ENDING = {".py": "python", ".sh": "shell", ".js": "node", ".mjs": "node"}
TENANT = "default"
TIMEOUT_CODE, KILLED_CODE = 124, 137  # as `timeout` and shells say it


def run(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE | -- PROGRAM ARGS...]", help="A source file to run, or behind -- a command."),
    ] = None,
    language: Annotated[str | None, typer.Option("--language", "-l", help="python, shell or node.")] = None,
    code: Annotated[str | None, typer.Option("--code", "-c", help="Source code to run.")] = None,
    image: Annotated[str | None, typer.Option("--image", help="The image to run in, instead of --language.")] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="PATH[=NAME]", help="Put a file in; may be repeated.")
    ] = None,
    collect: Annotated[
        list[str] | None, typer.Option("--collect", metavar="GLOB", help="Files to bring back; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where they are written.")] = Path(),
    env: Annotated[list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="May be repeated.")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="K=NAME", help="K is the value of RESPROUT_SECRET_NAME; may be repeated."),
    ] = None,
    cwd: Annotated[str, typer.Option("--cwd", help="Where it starts, beneath the working directory.")] = ".",
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="Hand standard input on.")] = False,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="As in 90s. Default: 30s.")] = None,
    cpu: Annotated[float | None, typer.Option("--cpu", help="Processors. Default: 1.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="Default: 256MB.")] = None,
    pids: Annotated[int | None, typer.Option("--pids", help="Processes and threads. Default: 64.")] = None,
    disk: Annotated[str | None, typer.Option("--disk", metavar="SIZE", help="Default: 64MB.")] = None,
    output: Annotated[str | None, typer.Option("--output", metavar="SIZE", help="Kept of it. Default: 1MB.")] = None,
    net: Annotated[
        list[str] | None, typer.Option("--net", metavar="HOST:PORT", help="May be reached; may be repeated.")
    ] = None,
    isolation: Annotated[
        str | None, typer.Option("--isolation", help="process, container or gvisor. Default: sandbox.isolation.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Run this key at most once, ever; needs the stack.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run code in a sandbox: no network, no files of this machine, small limits. Ends with the program's exit code."""
    limits = {"time": timeout, "cpu": cpu, "memory": memory, "pids": pids, "disk": disk, "output": output}
    given: dict[str, Any] = {
        "language": language,
        "image": image,
        "code": code,
        **_program(words or [], language, code),
        "files": dict(_file(one) for one in file or []),
        "collect": collect or [],
        "env": {name: str(value) for name, value in read_pairs(env or [], "--env", "NAME=ada").items()},
        "secrets": read_pairs(secret or [], "--secret", "API_KEY=api-key"),
        "cwd": cwd,
        "stdin": sys.stdin.read() if stdin else None,
        "limits": {word: value for word, value in limits.items() if value is not None},
        "net": net or "none",
        "isolation": isolation,
    }
    settings = settings_of(ctx).settings
    result = asyncio.run(_run(settings, _spec(given), key, as_json=as_json))
    _write_files(result, out)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    elif result.reason:
        typer.secho(result.reason, fg="red" if not result.is_success else None, err=True)
    raise typer.Exit(exit_code(result))


def _program(words: Sequence[str], language: str | None, code: str | None) -> dict[str, Any]:
    if not words:
        return {}
    path = Path(words[0])
    ending = BY_ENDING.get(path.suffix)
    if len(words) == 1 and code is None and (ending is not None or language is not None) and path.is_file():
        return {"language": language or ending, "code": _read(path).decode(errors="replace")}
    return {"run": tuple(words)}


def _file(text: str) -> tuple[str, Any]:
    path, _, name = text.partition("=")
    content = _read(Path(path))
    try:
        return name or Path(path).name, content.decode()
    except UnicodeDecodeError:
        return name or Path(path).name, {"base64": base64.b64encode(content).decode()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None


def _spec(given: dict[str, Any]) -> "SandboxSpec":
    from ...activities.sandbox.spec import SandboxSpec

    if given["language"] is None and given["image"] is None:
        given["language"] = "shell"
    try:
        return SandboxSpec.model_validate({word: value for word, value in given.items() if value is not None})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        word = ".".join(str(step) for step in problem["loc"] if isinstance(step, str) and not step.startswith("constr"))
        raise Rejected(f"{word}: {problem['msg'].removeprefix('Value error, ')}") from None


async def _run(settings: Settings, spec: "SandboxSpec", key: str | None, *, as_json: bool) -> "SandboxResult":
    from ...activities.sandbox.sandboxes import key_of
    from ..sandboxes import sandboxes
    from ..stack.find import attach

    settings = attach(settings, "postgres.dsn") if key is not None else settings
    on_record = None if key is None else key_of(TENANT, key)
    shown = Shown()
    async with sandboxes(settings, recorded=key is not None) as boxes:
        result = await boxes.run(spec, on_record, TENANT, watch=mute if as_json else shown.watch)
    if not as_json:
        shown.catch_up(result)
    return result


class Shown:
    """Output while it comes. What is answered from the record never came, and is shown at the end."""

    def __init__(self) -> None:
        self.is_begun = False

    def watch(self, stream: str, chunk: bytes) -> None:
        self.is_begun = True
        _show(stream, chunk)

    def catch_up(self, result: "SandboxResult") -> None:
        if not self.is_begun:
            _show("stdout", result.stdout.text.encode())
            _show("stderr", result.stderr.text.encode())


def _show(stream: str, chunk: bytes) -> None:
    where = sys.stderr if stream == "stderr" else sys.stdout
    where.buffer.write(chunk)
    where.buffer.flush()


def mute(stream: str, chunk: bytes) -> None:
    """It is part of the JSON."""


def _write_files(result: "SandboxResult", out: Path) -> None:
    for file in result.files:
        content = file.content
        if content is None:
            continue
        target = out / file.path  # relative and without `..`: it was found by walking down
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            raise Rejected(f"{target} cannot be written: {error.strerror}.") from None
        typer.secho(f"{target} ({file.size:,} bytes)", dim=True, err=True)


def exit_code(result: "SandboxResult") -> int:
    if result.exit_code is not None:
        return result.exit_code
    return TIMEOUT_CODE if result.ended == "timeout" else KILLED_CODE
