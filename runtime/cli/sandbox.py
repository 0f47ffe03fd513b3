"""`resprout sandbox …`: untrusted code from the command line, with the same words as in flows."""

import typer

from .sandbox_run import run


def register(app: typer.Typer) -> None:
    sandbox = typer.Typer(no_args_is_help=True, help="Run untrusted code where it cannot hurt.")
    sandbox.command("run", context_settings={"ignore_unknown_options": False})(run)
    app.add_typer(sandbox, name="sandbox")
