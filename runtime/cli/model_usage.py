"""`resprout model usage`: what calls of language models took and cost."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...actors.duration import parse_duration
from ...actors.errors import Rejected
from ...actors.models.money import dollars
from .queries import print_rows, query
from .run_options import AsJson, Limit

if TYPE_CHECKING:
    from ...memory.database import Database
    from ...memory.model_calls import Used

MOST = 10_000  # rows that can be asked for

By = Literal["model", "agent", "run", "tenant", "day"]


def usage(
    ctx: typer.Context,
    by: Annotated[By, typer.Option("--by", help="What is counted together.")] = "model",
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="How far back, as in 24h or 7d.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="Those used last first; else the dearest.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Count calls of models: tokens and cost. `at most` is for calls that did not tell: lost, failed or in flight.

    `refused` are tries besides, which cost nothing: nobody was there, there was no room, or the request was refused.
    """
    from ...memory.model_calls import ModelCalls

    length = _length(since) if since is not None else None

    async def ask(database: "Database") -> "tuple[list[Used], int]":
        calls = ModelCalls(database.opened)
        return await calls.used(by, length, tenant, limit, latest=latest), await calls.count(by, length, tenant)

    found, there = query(ctx, ask)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
    elif not found:
        typer.echo("no model was called")
    else:
        columns = (by, "calls", "refused", "in", "cached", "written", "out", "cost", "seconds")
        print_rows(columns, (_cells(one) for one in found))
        if there > len(found):
            by_time = "" if latest or by == "day" else ", or --latest for those used last"
            typer.echo(f"{there - len(found):,} more are left out: --limit {min(there, MOST)}{by_time}", err=True)


def _cells(used: "Used") -> tuple[object, ...]:
    tokens = (used.input_tokens, used.cached_tokens, used.written_tokens, used.output_tokens)
    counts = (f"{n:,}" for n in (used.calls, used.refused, *tokens))
    return (used.name or "none", *counts, _cost(used), f"{used.seconds:.1f}")


def _cost(used: "Used") -> str:
    said = dollars(used.nanos)
    if used.unsure:
        said += f", and at most {dollars(used.unsure_nanos)} of {used.unsure:,} that did not tell"
    if used.unpriced:
        said += f", and {used.unpriced:,} of unknown cost"
    return said


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Rejected(f"--since {text}: {error}") from None
