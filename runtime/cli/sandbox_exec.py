"""`resprout sandbox exec`: a command in a workspace, its output while it comes."""

import json
import sys
from typing import Annotated, Any

import typer

from .inputs import read_pairs
from .plain_text import plain_text
from .run_options import AsJson
from .sandbox_run import Shown, exit_code, mute, tell_cut
from .sandbox_workspaces import Name, Within, with_workspaces


def exec_(
    ctx: typer.Context,
    name: Name,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PROGRAM ARGS...]", help="The command, behind --.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", "-c", help="Source code in the workspace's language.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="May be repeated.")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="K=NAME", help="K is the value of RESPROUT_SECRET_NAME; may be repeated."),
    ] = None,
    cwd: Annotated[str, typer.Option("--cwd", help="Where it starts, beneath the working directory.")] = ".",
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="Hand standard input on.")] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="Until it is killed, as in 90s.")] = "30s",
    output: Annotated[str | None, typer.Option("--output", metavar="SIZE", help="Kept of it. Default: 1MB.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Run this key at most once in this workspace.")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave it running, and print its key; --key comes back to it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a command in a workspace. Ends with its exit code; what it started and left running ends with it, too."""
    given: dict[str, Any] = {
        "run": tuple(words) if words else None,
        "code": code,
        "env": {name: str(value) for name, value in read_pairs(env or [], "--env", "NAME=ada").items()},
        "secrets": read_pairs(secret or [], "--secret", "API_KEY=api-key"),
        "cwd": cwd,
        "stdin": sys.stdin.read() if stdin else None,
        "timeout": timeout,
        "output": output,
    }
    said = {word: value for word, value in given.items() if value is not None}
    if detach:
        key = with_workspaces(ctx, lambda workspaces: workspaces.begin(name, said, key), None)
        typer.echo(json.dumps({"key": key}) if as_json else key)
        return
    shown = Shown()
    result = with_workspaces(
        ctx, lambda workspaces: workspaces.run(name, said, key, mute if as_json else shown.watch), None
    )
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        shown.catch_up(result)
        tell_cut(result)
        if result.reason:
            typer.secho(plain_text(result.reason), fg="red" if not result.is_success else None, err=True)
    raise typer.Exit(exit_code(result))


def kill(
    ctx: typer.Context,
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of a command that was left running.")],
    timeout: Within = "30s",
    as_json: AsJson = False,
) -> None:
    """End a command in a workspace, with all that it started."""
    with_workspaces(ctx, lambda workspaces: workspaces.end(name, key), timeout)
    if as_json:
        typer.echo(json.dumps({"ended": key}))
