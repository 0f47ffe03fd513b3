"""A file that a command writes to begin with: one that reads, and never in the place of another."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ...actors.errors import Rejected
from .hints import as_given

if TYPE_CHECKING:
    from ...workflows.flow import Problem


def write_new(file: Path, text: str, problems: "Sequence[Problem]", what_next: str) -> None:
    """`problems`: of the text, when it is no good with the name that was given."""
    if refused := [problem for problem in problems if problem.severity == "error"]:
        raise Rejected(f"{refused[0].message}: {refused[0].fix}.")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise Rejected(f"{file} exists already: choose another name, or remove it first.") from None
    except OSError as error:
        raise Rejected(f"{file} cannot be written: {(error.strerror or 'unknown reason').lower()}.") from None
    typer.echo(as_given(f"wrote {file}: {what_next}"))
