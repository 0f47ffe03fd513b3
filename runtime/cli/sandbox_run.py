"""`resprout sandbox run`: one run, its output while it comes, its files afterwards.

It needs no stack. With `--key` it is on record in Postgres, and the same key never runs twice.
"""

import asyncio
import base64
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

if TYPE_CHECKING:
    from ...activities.sandbox.result import SandboxResult
    from ...activities.sandbox.spec import Language, SandboxSpec

from ...actors.duration import format_duration
from ...actors.errors import ConfigError, Rejected
from ...actors.words import sentence
from ..settings import Settings
from .flags import settings_of
from .inputs import read_pairs
from .plain_text import plain_text
from .refusals import refusals_as_json
from .result_files import check_writable, write
from .run_options import AsJson

BY_ENDING: dict[str, "Language"] = {".py": "python", ".sh": "shell", ".js": "node", ".mjs": "node"}
TENANT = "default"
LONGEST = timedelta(days=1)  # somebody holds a terminal, and a sandbox of this machine, for it
TIMEOUT_CODE, KILLED_CODE = 124, 137  # as `timeout` and shells say it; 128 and its number for another signal
NOT_WRITTEN_CODE = 1  # the program is fine, and not all of its files are here


def run(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE [-- ARGS...] | -- PROGRAM ARGS...]", help="A source file to run, or behind -- a command."
        ),
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
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
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
    with refusals_as_json(as_json):
        given: dict[str, Any] = {
            "language": language,
            "image": image,
            "code": code,
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
        given |= _program(words or [], given)
        settings = settings_of(ctx).settings
        if collect:
            check_writable(out)
        result = asyncio.run(_run(settings, _spec(given), key, as_json=as_json))
    is_whole = _write_files(result, out, force=force)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    elif result.reason:
        typer.secho(plain_text(result.reason), fg="red" if not result.is_success else None, err=True)
    raise typer.Exit(exit_code(result) or (0 if is_whole else NOT_WRITTEN_CODE))


def _program(words: Sequence[str], given: dict[str, Any]) -> dict[str, Any]:
    """A source file alone is the code; with arguments behind it, it is put in and called by its name."""
    if not words:
        return {}
    path = Path(words[0])
    language: Language | None = given["language"] or BY_ENDING.get(path.suffix)
    if given["code"] is not None or given["image"] is not None or language is None or path.name in given["files"]:
        return {"run": tuple(words)}
    if not path.is_file():
        if path.suffix in BY_ENDING:
            raise Rejected(
                f"there is no file {path}: give the path of a source file, or a command that does not end in "
                f"{path.suffix}."
            )
        return {"run": tuple(words)}
    if len(words) == 1:
        return {"language": language, "code": _read(path).decode(errors="replace")}
    if path.suffix not in BY_ENDING:
        return {"run": tuple(words)}
    from ...activities.sandbox.program import INTERPRETERS

    called = (INTERPRETERS[language], path.name, *words[1:])
    return {"language": language, "files": given["files"] | dict([_file(words[0])]), "run": called}


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
        spec = SandboxSpec.model_validate({word: value for word, value in given.items() if value is not None})
    except ValidationError as error:
        raise Rejected(sentence(error, SandboxSpec)) from None
    if spec.limits.time > LONGEST:
        raise Rejected(
            f"--timeout {format_duration(spec.limits.time)} is longer than a run may take: give at most "
            f"{format_duration(LONGEST)}, or let a workspace keep what lasts longer (`resprout sandbox create --help`)."
        )
    return spec


async def _run(settings: Settings, spec: "SandboxSpec", key: str | None, *, as_json: bool) -> "SandboxResult":
    from ...activities.sandbox.aside import whole
    from ...activities.sandbox.sandboxes import key_of
    from ..sandboxes import sandboxes
    from ..stack.find import attach

    settings = attach(settings, "postgres.dsn") if key is not None else settings
    on_record = None if key is None else key_of(TENANT, key)
    shown = Shown()
    async with sandboxes(settings, recorded=key is not None) as boxes:
        ran = await boxes.run(spec, on_record, TENANT, watch=mute if as_json else shown.watch)
        result = await whole(ran, boxes.fetch)
    if not as_json:
        shown.catch_up(result)
        tell_cut(result)
    return result


def tell_cut(result: "SandboxResult") -> None:
    for name, stream in (("stdout", result.stdout), ("stderr", result.stderr)):
        if stream.is_cut:
            cut = f"{stream.size - stream.kept:,} bytes of {name} were cut. Keep more with --output."
            typer.secho(cut, fg="yellow", err=True)


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


def _write_files(result: "SandboxResult", out: Path, *, force: bool) -> bool:
    """Whether all of them were."""
    from ...activities.sandbox.aside import gone

    left_out = 0
    for file in result.files:
        content = file.content
        if content is None:
            typer.secho(plain_text(gone(file)), fg="red", err=True)
            left_out += 1
            continue
        why = write(out, file.path, content, force=force)
        left_out += why is not None
        said = plain_text(why or f"{out / file.path} ({file.size:,} bytes)")
        typer.secho(said, dim=why is None, fg="red" if why else None, err=True)
    return left_out == 0


def exit_code(result: "SandboxResult") -> int:
    if result.exit_code is not None:
        return result.exit_code
    if result.ended == "signal" and result.signal is not None and result.signal in signal.Signals.__members__:
        return 128 + signal.Signals[result.signal]
    return TIMEOUT_CODE if result.ended == "timeout" else KILLED_CODE
