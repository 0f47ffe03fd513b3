"""What a command ends with when something was wrong: the exit code, and for programs the reason as JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ...actors.errors import OutcomeUnknown, Rejected, ResproutError, Unavailable


def exit_code(error: ResproutError) -> int:
    match error:
        case Rejected():
            return 2
        case Unavailable():
            return 3
        case OutcomeUnknown():
            return 4
        case _:
            return 1


@contextmanager
def refusals_as_json(as_json: bool) -> Iterator[None]:
    """Who asked for JSON gets JSON, and the exit code that everybody gets."""
    try:
        yield
    except ResproutError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"ended": "refused", "error": {"type": type(error).__name__, "message": str(error)}}))
        raise typer.Exit(exit_code(error)) from None
