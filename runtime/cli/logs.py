"""`resprout logs`: what the services of the stack wrote."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ...actors.errors import StackError
from ..stack.paths import StackPaths
from .flags import settings_of

POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    app.command("logs")(logs)


def logs(
    ctx: typer.Context,
    service: Annotated[str | None, typer.Argument(help="One service; all of them if left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines from the end to begin with.")] = 50,
) -> None:
    """Show the logs of the stack's services."""
    paths = StackPaths.of(settings_of(ctx).settings.data_dir)
    files = {path.stem: path for path in sorted(paths.logs.glob("*.log"))}
    if not files:
        raise StackError(f"there are no logs in {paths.logs}: no stack was started in {paths.data_dir}.")
    if service is not None:
        if service not in files:
            raise StackError(f"no service {service!r} has logs in {paths.logs}. There are: {', '.join(files)}.")
        files = {service: files[service]}
    offsets = {name: _show_tail(name, path, lines, len(files) > 1) for name, path in files.items()}
    while follow:
        time.sleep(POLL_SECONDS)
        for name, path in files.items():
            offsets[name] = _show_new(name, path, offsets[name], len(files) > 1)


def _show_tail(name: str, path: Path, lines: int, named: bool) -> int:
    content = path.read_bytes()
    tail = content.splitlines()[-lines:] if lines else []
    for line in tail:
        _echo(name, line, named)
    return len(content)


def _show_new(name: str, path: Path, offset: int, named: bool) -> int:
    size = path.stat().st_size if path.exists() else 0
    if size < offset:
        offset = 0  # truncated: it had grown too large
    if size == offset:
        return offset
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size - offset)
    whole, newline, _ = content.rpartition(b"\n")
    for line in whole.splitlines():
        _echo(name, line, named)
    return offset + len(whole) + len(newline)


def _echo(name: str, line: bytes, named: bool) -> None:
    text = line.decode(errors="replace")
    typer.echo(f"{name:9} | {text}" if named else text)
