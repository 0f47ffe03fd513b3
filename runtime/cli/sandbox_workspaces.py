"""`resprout sandbox create | list | pause | resume | rm`: sandboxes that stay."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

if TYPE_CHECKING:
    from ...activities.sandbox.workspace import Workspace
    from ...activities.sandbox.workspaces import Workspaces

from ...actors.duration import format_duration, parse_duration
from ...actors.errors import ConfigError, DeadlinePassed, Rejected
from ...actors.words import sentence
from .flags import settings_of
from .hints import as_given
from .inputs import read_pairs
from .queries import print_rows
from .run_options import AsJson

Result = TypeVar("Result")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the workspace.")]
Within = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="Give up after so long, as in 90s; what was begun may go on.")
]


def create(
    ctx: typer.Context,
    name: Name,
    language: Annotated[str | None, typer.Option("--language", "-l", help="python, shell or node.")] = None,
    image: Annotated[str | None, typer.Option("--image", help="The image, instead of --language.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="May be repeated.")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="K=NAME", help="K is the value of RESPROUT_SECRET_NAME; may be repeated."),
    ] = None,
    cpu: Annotated[float | None, typer.Option("--cpu", help="Processors. Default: 1.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", metavar="SIZE", help="Default: 256MB.")] = None,
    pids: Annotated[int | None, typer.Option("--pids", help="Processes and threads. Default: 64.")] = None,
    disk: Annotated[str | None, typer.Option("--disk", metavar="SIZE", help="Default: 64MB.")] = None,
    net: Annotated[
        list[str] | None, typer.Option("--net", metavar="HOST:PORT", help="May be reached; may be repeated.")
    ] = None,
    isolation: Annotated[str | None, typer.Option("--isolation", help="container or gvisor.")] = None,
    idle: Annotated[
        str | None, typer.Option("--idle", metavar="TIME", help="Unused so long, it goes. Default: 30m.")
    ] = None,
    life: Annotated[
        str | None, typer.Option("--life", metavar="TIME", help="After so long, it goes. Default: 24h.")
    ] = None,
    timeout: Within = "2m",
    as_json: AsJson = False,
) -> None:
    """Make a sandbox that stays, until it is removed or nobody uses it. The same name again is the same one."""
    from ...activities.sandbox.workspace import WorkspaceSpec

    limits = {"cpu": cpu, "memory": memory, "pids": pids, "disk": disk}
    given: dict[str, Any] = {
        "language": language or (None if image else "shell"),
        "image": image,
        "env": {name: str(value) for name, value in read_pairs(env or [], "--env", "NAME=ada").items()},
        "secrets": read_pairs(secret or [], "--secret", "API_KEY=api-key"),
        "limits": {word: value for word, value in limits.items() if value is not None},
        "net": net or "none",
        "isolation": isolation,
        "idle": idle,
        "life": life,
    }
    try:
        spec = WorkspaceSpec.model_validate({word: value for word, value in given.items() if value is not None})
    except ValidationError as error:
        raise Rejected(sentence(error, WorkspaceSpec)) from None
    made = with_workspaces(ctx, lambda workspaces: workspaces.create(name, spec), timeout)
    if as_json:
        typer.echo(json.dumps(plain(made), indent=2))
    else:
        typer.echo(as_given(f"{name} is there: `resprout sandbox exec {name} -- COMMAND`"))


def list_(ctx: typer.Context, timeout: Within = "30s", as_json: AsJson = False) -> None:
    """List the sandboxes that stay."""
    found = with_workspaces(ctx, lambda workspaces: workspaces.list(), timeout)
    if as_json:
        typer.echo(json.dumps([plain(one) for one in found], indent=2))
    elif found:
        rows = [(one.name, one.spec.image or one.spec.language, one.isolation, one.state, _left(one)) for one in found]
        print_rows(("name", "of", "isolation", "state", "goes in"), rows)
    else:
        typer.echo(as_given("there are none: `resprout sandbox create NAME`"))


def pause(ctx: typer.Context, name: Name, timeout: Within = "30s", as_json: AsJson = False) -> None:
    """Hold all that runs in it. It takes its memory, but no processor, and is not removed as unused."""
    _tell(with_workspaces(ctx, lambda workspaces: workspaces.pause(name), timeout), as_json)


def resume(ctx: typer.Context, name: Name, timeout: Within = "30s", as_json: AsJson = False) -> None:
    """Let what runs in it go on."""
    _tell(with_workspaces(ctx, lambda workspaces: workspaces.resume(name), timeout), as_json)


def rm(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The workspaces.")],
    timeout: Within = "1m",
    as_json: AsJson = False,
) -> None:
    """Remove workspaces, with all that runs in them and their files."""

    async def remove(workspaces: "Workspaces") -> None:
        for name in names:
            await workspaces.remove(name)

    with_workspaces(ctx, remove, timeout)
    if as_json:
        typer.echo(json.dumps({"removed": names}))


def with_workspaces(
    ctx: typer.Context, work: "Callable[[Workspaces], Awaitable[Result]]", timeout: str | None
) -> Result:
    """`timeout` as it was written; None: the work has an end of its own."""
    from ..sandboxes import workspaces
    from ..stack.find import attach

    settings = attach(settings_of(ctx).settings, "postgres.dsn")
    longest = seconds(timeout) if timeout is not None else None

    async def go() -> Result:
        async with workspaces(settings) as opened:
            try:
                async with asyncio.timeout(longest.total_seconds() if longest is not None else None):
                    return await work(opened)
            except TimeoutError:
                raise DeadlinePassed(
                    f"it was not done within {timeout}, and it is unknown how far it came: say it again, or give it "
                    "more with --timeout."
                ) from None

    return asyncio.run(go())


def seconds(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"--timeout: {error}") from None


def plain(workspace: "Workspace") -> dict[str, Any]:
    """As JSON says it."""
    return {
        "name": workspace.name,
        "state": workspace.state,
        "owner": workspace.owner,
        "tenant": workspace.tenant,
        "backend": workspace.backend,
        "isolation": workspace.isolation,
        "made_at": workspace.made_at.isoformat(),
        "used_at": workspace.used_at.isoformat(),
        "goes_at": workspace.goes_at.isoformat(),
        "spec": workspace.spec.model_dump(mode="json", exclude_defaults=True),
    }


def _tell(workspace: "Workspace", as_json: bool) -> None:
    typer.echo(json.dumps(plain(workspace), indent=2) if as_json else f"{workspace.name} is {workspace.state}")


def _left(workspace: "Workspace") -> str:
    left = workspace.goes_at - datetime.now(workspace.goes_at.tzinfo)
    return format_duration(timedelta(seconds=max(0, int(left.total_seconds()))))
