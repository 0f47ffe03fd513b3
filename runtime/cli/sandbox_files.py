"""`resprout sandbox cp | ls`: files in and out of workspaces, and which there are."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...activities.sandbox.docker.transfer import Entry
    from ...activities.sandbox.workspace_files import Copied
    from ...activities.sandbox.workspaces import Workspaces

from ...actors.errors import Rejected
from .queries import print_rows
from .run_options import AsJson
from .sandbox_workspaces import Within, list_, with_workspaces

SHOWN_EVERY = 0.2  # seconds


def cp(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="PATH, or NAME:PATH in a workspace.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="NAME:PATH in a workspace, or PATH.")],
    timeout: Within = "10m",
    as_json: AsJson = False,
) -> None:
    """Copy a file or directory into a workspace, or out of it. Links are left out, and said to be."""
    inside, outside = _split(source), _split(target)
    if (inside is None) == (outside is None):
        raise Rejected("one of the two is in a workspace: write it as NAME:PATH, as in box:out/report.csv.")
    progress = Progress()

    async def copy(workspaces: "Workspaces") -> "Copied":
        from ...activities.sandbox.workspace_files import WorkspaceFiles

        files = WorkspaceFiles(workspaces)
        if outside is not None:
            return await files.upload(Path(source), *outside, progress.show)
        assert inside is not None
        return await files.download(*inside, Path(target), progress.show)

    try:
        copied = with_workspaces(ctx, copy, timeout)
    finally:
        progress.end()
    for said in copied.left_out:
        typer.secho(said, fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps(asdict(copied)))
    else:
        typer.secho(f"{copied.files:,} file{'s' * (copied.files != 1)}, {copied.size:,} bytes", dim=True, err=True)


def ls(
    ctx: typer.Context,
    place: Annotated[
        str | None, typer.Argument(metavar="[NAME[:PATH]]", help="A workspace, or a path in it; else all workspaces.")
    ] = None,
    deep: Annotated[bool, typer.Option("--recursive", "-R", help="Directories beneath it, too.")] = False,
    timeout: Within = "1m",
    as_json: AsJson = False,
) -> None:
    """List the files in a workspace."""
    if place is None:
        list_(ctx, timeout, as_json)
        return
    name, _, path = place.partition(":")

    async def listed(workspaces: "Workspaces") -> "list[Entry]":
        from ...activities.sandbox.workspace_files import WorkspaceFiles

        return await WorkspaceFiles(workspaces).list(name, path or ".", deep=deep)

    found = with_workspaces(ctx, listed, timeout)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=str, indent=2))
    elif found:
        rows = [(one.path + "/" * (one.kind == "directory"), f"{one.size:,}", one.modified, one.mode) for one in found]
        print_rows(("path", "bytes", "modified", "mode"), rows)


class Progress:
    """On a terminal, and only of what takes a while."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.is_shown = False

    def show(self, size: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.began > 1 and now - self.last > SHOWN_EVERY:
            speed = size / (now - self.began)
            typer.secho(f"\r{size / 1e6:,.1f} MB, {speed / 1e6:,.1f} MB/s ", dim=True, err=True, nl=False)
            self.last, self.is_shown = now, True

    def end(self) -> None:
        if self.is_shown:
            typer.echo("\r\x1b[K", err=True, nl=False)


def _split(place: str) -> tuple[str, str] | None:
    """What has a colon is in a workspace; a file of this machine whose name has one is written with `./` before it."""
    name, colon, path = place.partition(":")
    return (name, path or ".") if colon and "/" not in name else None
