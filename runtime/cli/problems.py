"""What is wrong in flow files, as it is shown."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ...workflows.flow import Problem


def show_problems(problems: "Iterable[Problem]", *, err: bool = False) -> None:
    for problem in problems:
        head, *rest = str(problem).splitlines()
        typer.secho(head, fg="red" if problem.severity == "error" else "yellow", err=err)
        typer.echo("\n".join(rest), err=err)
