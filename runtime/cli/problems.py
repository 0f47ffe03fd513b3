"""What is wrong in flow files, as it is shown, and what is doubtful in them."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ...activities.tools.toolbox import Toolbox
    from ...workflows.flow import Problem

from ...actors.errors import ConfigError
from .flags import settings_of


def show_problems(problems: "Iterable[Problem]", *, err: bool = False) -> None:
    for problem in problems:
        head, *rest = str(problem).splitlines()
        typer.secho(head, fg="red" if problem.severity == "error" else "yellow", err=err)
        typer.echo("\n".join(rest), err=err)


def doubts(ctx: typer.Context, file: Path) -> "tuple[Problem, ...]":
    """What the agent modules that are set, and our tools, do not know, in a flow file without errors. Never in the way
    of a run."""
    from ..agent_modules import import_agents
    from ..flow_files import load_child, text_of
    from ..flow_messages import warnings
    from ..roles import Roles

    settings = settings_of(ctx).settings
    known = bool(settings.agents.modules)
    try:
        with redirect_stdout(sys.stderr):  # what a module prints is no part of a command's output
            import_agents(settings.agents)
    except ConfigError as error:
        typer.secho(f"what {file} says to agents is not checked: {error}", fg="yellow", err=True)
        known = False

    @cache
    def tools() -> "Toolbox":
        from ..known_tools import known_tools

        return known_tools(settings if known else None)

    roles = Roles(settings.roles.dir)
    return warnings(text_of(file), str(file), load_child, tools, roles, with_agents=known)
