"""`resprout model list | ask | usage`: the providers there are, asking a model by hand, what was used."""

import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...actors.errors import ConfigError, Rejected
from ..stack.find import attach
from .flags import settings_of
from .model_usage import usage
from .queries import print_rows
from .run_options import AsJson
from .schema_file import schema_in

if TYPE_CHECKING:
    from ...actors.models import AnswerForm, ModelReply, ModelRequest
    from ..model_providers import Offered
    from ..models import Models
    from ..settings import Settings


def register(app: typer.Typer) -> None:
    model = typer.Typer(no_args_is_help=True, help="Language models: where they come from, and asking one.")
    model.command("list")(list_)
    model.command("ask")(ask)
    model.command("usage")(usage)
    app.add_typer(model, name="model")


def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the providers, whether each has a key here, and the limits of a process. Exit code 2 if the default model or
    the prices of your own cannot be used."""
    from ...activities.models.prices import Prices
    from ..model_providers import check_default, providers_of

    models = settings_of(ctx).settings.models
    told = [_told(offered) for offered in providers_of(models).values()]
    if as_json:
        typer.echo(json.dumps({"default": list(models.default), "providers": told}))
    else:
        print_rows(
            ("provider", "protocol", "where", "key", "calls at once", "calls a minute", "tokens a minute"),
            ([one[column] for column in COLUMNS] for one in told),
        )
        typer.echo(f"default: {', '.join(models.default)}", err=True)
    check_default(models)
    Prices.load(models.prices)


COLUMNS = ("provider", "protocol", "base_url", "key", "at_once", "requests_per_minute", "tokens_per_minute")


def _told(offered: "Offered") -> dict[str, Any]:
    from ..secrets import is_set, variable_of

    if offered.secret is None:
        key = "none needed"
    else:
        variable = variable_of(offered.secret)
        key = f"set ({variable})" if is_set(offered.secret) else f"missing: set {variable}"
    limits = offered.settings.model_dump(include={"at_once", "requests_per_minute", "tokens_per_minute"})
    return {
        "provider": offered.name,
        "protocol": offered.protocol,
        "base_url": offered.base_url,
        "key": key,
        "has_key": offered.secret is None or is_set(offered.secret),
        **limits,
    }


def ask(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="provider/name, or several with commas. Default: models.default."),
    ] = None,
    system: Annotated[str, typer.Option("--system", help="What it is told about itself.")] = "",
    schema: Annotated[
        Path | None, typer.Option("--schema", help="A JSON Schema that the answer is to have, in a file.")
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="At most so many tokens of answer.")] = 4096,
    tenant: Annotated[str, typer.Option("--tenant", help="Who pays.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Ask a model. Its words come as it says them; what they cost in tokens goes to standard error."""
    from ...actors.models import Account, FromUser, ModelRequest

    settings = attach(settings_of(ctx).settings)  # of a stack that runs, where its own model and its ledger are
    asked = sys.stdin.read() if text == "-" else text
    if not asked.strip():
        raise Rejected("there is nothing to ask: write a question.")
    request = ModelRequest(
        model=model or ",".join(settings.models.default),
        system=system,
        messages=(FromUser(text=asked),),
        answer=_form(schema),
        max_tokens=max_tokens,
        account=Account(tenant=tenant),
    )
    reply = asyncio.run(_followed(settings, request, is_shown=not as_json))
    if as_json:
        typer.echo(reply.model_dump_json())
    else:
        _tell_usage(reply)
    if request.answer is not None:
        _refuse_misfit(reply, request.answer)


def _form(schema: Path | None) -> "AnswerForm | None":
    from ...actors.models import AnswerForm
    from ...workflows.flow.schemas import check_schema

    if schema is None:
        return None
    shape = schema_in(schema, "--schema")
    for path, said, remedy in check_schema(shape):
        place = f"`{'.'.join(map(str, path))}`: " if path else ""
        raise ConfigError(f"--schema {schema}: {place}{said}: {remedy}.")
    return AnswerForm(shape=shape)


def _refuse_misfit(reply: "ModelReply", form: "AnswerForm") -> None:
    """Who asked for a form goes on with what has it. Raises ModelFailed."""
    from ...actors.models import ModelFailed
    from ...workflows.flow.schemas import misfit

    try:
        wrong = misfit(json.loads(reply.message.text), form.shape)
    except (ValueError, RecursionError) as error:
        wrong = f"it is not JSON ({error})"
    if wrong is not None:
        raise ModelFailed(f"the answer of {reply.model} does not fit --schema: {wrong}. Ask again, or another model.")


def _models(settings: "Settings") -> AbstractAsyncContextManager["Models"]:
    from ..models import Models
    from ..paid_models import paid_models

    if settings.postgres.dsn is not None:
        return paid_models(settings)
    typer.echo(f"no stack is running in {settings.data_dir}: what is asked is counted in no budget", err=True)
    return Models(settings.models)


async def _followed(settings: "Settings", request: "ModelRequest", *, is_shown: bool) -> "ModelReply":
    from ...actors.models import ModelLost, ModelReply

    reply = None
    async with _models(settings) as models, aclosing(models.stream(request)) as said:
        async for part in said:
            if isinstance(part, ModelReply):
                reply = part
            elif is_shown:
                # What was said cannot be taken back from a terminal: it stands above a line.
                typer.echo("\n--- again:\n" if part.anew else part.text, nl=False)
    if reply is None:
        raise ModelLost(f"{request.model} ended without a reply: ask again.")
    if is_shown:
        typer.echo()
    return reply


def _tell_usage(reply: "ModelReply") -> None:
    used = reply.usage
    cached = f" ({used.cached_tokens} from the cache)" if used.cached_tokens else ""
    stop = {"length": ", cut at --max-tokens", "refused": ", refused", "tools": "", "end": ""}[reply.stop]
    guess = "" if reply.counted else " (a guess: the provider does not say)"
    typer.secho(
        f"{reply.model}: {used.input_tokens} tokens in{cached}, {used.output_tokens} out{guess}{stop}",
        dim=True,
        err=True,
    )
