"""`resprout sandbox snapshot | snapshots | restore`: the files of a workspace, kept for later."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ...activities.sandbox.workspace import Workspace
    from ...activities.sandbox.workspaces import Workspaces
    from ...memory.snapshots import Snapshot

from .hints import as_given
from .queries import print_rows
from .run_options import AsJson
from .sandbox_files import Progress
from .sandbox_workspaces import Name, Within, plain, with_workspaces


def snapshot(
    ctx: typer.Context,
    name: Name,
    called: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name. Default: by workspace and time.")
    ] = None,
    timeout: Within = "10m",
    as_json: AsJson = False,
) -> None:
    """Keep the files of a workspace, for another time or another workspace."""
    progress = Progress()

    async def take(workspaces: "Workspaces") -> "Snapshot":
        from ...activities.sandbox.workspace_snapshots import WorkspaceSnapshots

        return await WorkspaceSnapshots(workspaces).take(name, called, progress.show)

    try:
        taken = with_workspaces(ctx, take, timeout)
    finally:
        progress.end()
    if as_json:
        typer.echo(json.dumps(_plain(taken), indent=2))
    else:
        typer.echo(
            as_given(f"{taken.name} is kept, {taken.size:,} bytes: `resprout sandbox restore {taken.name} NAME`")
        )


def snapshots(
    ctx: typer.Context,
    remove: Annotated[str | None, typer.Option("--rm", metavar="SNAPSHOT", help="Remove this one.")] = None,
    timeout: Within = "1m",
    as_json: AsJson = False,
) -> None:
    """List the snapshots of workspaces, the newest first."""

    async def listed(workspaces: "Workspaces") -> "list[Snapshot]":
        from ...activities.sandbox.workspace_snapshots import WorkspaceSnapshots

        kept = WorkspaceSnapshots(workspaces)
        if remove is not None:
            await kept.remove(remove)
        return await kept.list()

    found = with_workspaces(ctx, listed, timeout)
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in found], indent=2))
    elif found:
        rows = [(one.name, one.workspace, f"{one.size:,}", one.taken_at) for one in found]
        print_rows(("name", "workspace", "bytes", "taken"), rows)
    else:
        typer.echo(as_given("there are none: `resprout sandbox snapshot NAME`"))


def restore(
    ctx: typer.Context,
    snapshot: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="The name of the snapshot.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A workspace, made when it is not there. Default: where it is from."),
    ] = None,
    timeout: Within = "10m",
    as_json: AsJson = False,
) -> None:
    """Put the files of a snapshot in the place of those of a workspace. A new one is made like the old one."""
    progress = Progress()

    async def put_back(workspaces: "Workspaces") -> "Workspace":
        from ...activities.sandbox.workspace_snapshots import WorkspaceSnapshots

        return await WorkspaceSnapshots(workspaces).restore(snapshot, name, progress.show)

    try:
        restored = with_workspaces(ctx, put_back, timeout)
    finally:
        progress.end()
    typer.echo(json.dumps(plain(restored), indent=2) if as_json else f"{restored.name} is as {snapshot} was")


def _plain(snapshot: "Snapshot") -> dict[str, Any]:
    return {
        "name": snapshot.name,
        "workspace": snapshot.workspace,
        "size": snapshot.size,
        "taken_at": snapshot.taken_at.isoformat(),
        "spec": json.loads(snapshot.spec),
    }
