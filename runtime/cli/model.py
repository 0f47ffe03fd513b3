"""`resprout model …`: language models."""

import typer

from .model_usage import usage


def register(app: typer.Typer) -> None:
    model = typer.Typer(no_args_is_help=True, help="Language models.")
    model.command("usage")(usage)
    app.add_typer(model, name="model")
