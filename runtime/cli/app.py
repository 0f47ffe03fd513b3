"""The command `resprout`: registers every command and turns every error into one line and an exit code.

Exit codes: 0 done; 1 it ran and failed; 2 a mistake in the request or the configuration; 3 something that is
needed is not there; 4 the outcome is unknown.
"""

import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ... import __version__
from ...actors.errors import ResproutError
from . import (
    agent,
    approvals,
    audit,
    budget,
    config,
    doctor,
    effects,
    flow,
    logs,
    mcp,
    model,
    plugin,
    policy,
    processes,
    role,
    run,
    runs,
    sandbox,
    schedules,
    stack,
    task,
    team,
    tool,
)
from .flags import GLOBAL, global_flags
from .plain_text import sentence
from .refusals import exit_code

# Commands that have a --set of their own, which is not about settings.
WITH_SET = (["runs", "fork"],)


class Anywhere(TyperGroup):
    """Lets the global options stand behind the command, too: `resprout up --data-dir D`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        front: list[str] = []
        rest: list[str] = []
        queue = list(args)
        while queue:
            word = queue.pop(0)
            if word == "--":
                rest += [word, *queue]
                break
            if word.partition("=")[0] == "--set" and [w for w in rest if not w.startswith("-")][:2] in WITH_SET:
                rest.append(word)
            elif word in GLOBAL and queue:
                front += [word, queue.pop(0)]
            elif word.partition("=")[0] in GLOBAL and "=" in word:
                front.append(word)
            else:
                rest.append(word)
        return super().parse_args(ctx, front + rest)


app = typer.Typer(
    name="resprout",
    cls=Anywhere,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Agents that grow back: a durable runtime for teams of AI agents.",
    epilog="--data-dir, --config and --set may stand anywhere. Settings: resprout.toml < RESPROUT_* < flags.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"resprout {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    data_dir: Annotated[
        str | None, typer.Option("--data-dir", help="Where the embedded stack keeps everything. Default: .resprout.")
    ] = None,
    config_file: Annotated[
        str | None, typer.Option("--config", help="The settings file. Default: resprout.toml in this directory.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, as in hosts.count=2.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj = global_flags(set_ or [], data_dir=data_dir, config_file=config_file)


stack.register(app)
logs.register(app)
app.command("doctor")(doctor.doctor)
config.register(app)
processes.register(app)
run.register(app)
runs.register(app)
schedules.register(app)
task.register(app)
sandbox.register(app)
tool.register(app)
role.register(app)
team.register(app)
mcp.register(app)
model.register(app)
budget.register(app)
plugin.register(app)
effects.register(app)
approvals.register(app)
agent.register(app)
flow.register(app)
policy.register(app)
audit.register(app)


def main() -> NoReturn:
    code = _run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    # Not sys.exit: threads of Temporal's and Ray's cores now and then crash the interpreter while it is torn down,
    # and a command that did its work would end with a signal. Everything that must be closed was closed by now.
    os._exit(code)


def _run() -> int:
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except ResproutError as error:
        typer.secho(f"error: {sentence(str(error))}", fg="red", err=True)
        return exit_code(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except Exception:  # noqa: BLE001 - a mistake of ours: the traceback is for whoever reports it
        traceback.print_exc()
        return 70
    return 0
