"""`resprout budget …`: what may be spent, what was, and what a tenant may spend in each day or month."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...actors.errors import NotFound, Rejected
from ...actors.models import Limits
from ...actors.models.money import dollars, nanos_of
from .. import identity
from ..stack.find import attach
from .flags import settings_of
from .queries import print_rows, query
from .run_options import AsJson, Limit

if TYPE_CHECKING:
    from ...memory.budget_book import BudgetRow, TenantBudget
    from ...memory.database import Database
    from ..budget_care import BudgetCare

Tenant = Annotated[str, typer.Option("--tenant", help="The tenant.")]
Per = Literal["day", "month"]
EachTime = Annotated[Per, typer.Option("--per", help="For each day, or each month (UTC).")]

COLUMNS = ("budget", "of", "cost", "tokens", "calls", "held", "until")


def register(app: typer.Typer) -> None:
    budget = typer.Typer(no_args_is_help=True, help="What may be spent on models and tools.")
    for command in (show, list_, set_, remove):
        budget.command(command.__name__.rstrip("_"))(command)
    app.add_typer(budget, name="budget")


def show(
    ctx: typer.Context,
    budget: Annotated[str, typer.Argument(metavar="RUN|ID", help="A run, or a budget as `budget list` names it.")],
    as_json: AsJson = False,
) -> None:
    """Show a budget, or all of a run, with those inside: what was spent, what is held, what is left."""
    from ...memory.budget_book import BudgetBook

    found = query(ctx, lambda database: BudgetBook.of(database).show(budget))
    if not found:
        raise NotFound(
            f"there is no budget {budget!r}, and no run of that id has one: see `resprout budget list`. "
            "A task's budget of time alone is not here: the run itself keeps it, see `resprout runs show ID`."
        )
    _print(found, as_json=as_json)


def list_(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List budgets, those used last first, and what tenants may spend."""
    from ...memory.budget_book import BudgetBook

    async def both(database: "Database") -> "tuple[list[TenantBudget], list[BudgetRow]]":
        book = BudgetBook.of(database)
        return await book.tenants(), await book.latest(tenant, limit)

    tenants, found = query(ctx, both)
    tenants = [one for one in tenants if tenant in (None, one.tenant)]
    if as_json:
        told = {"tenants": [asdict(one) for one in tenants], "budgets": [as_told(one) for one in found]}
        typer.echo(json.dumps(told, default=str))
        return
    for one in tenants:
        typer.echo(f"{one.tenant} may spend {_limits(one)} each {one.per}, says {one.set_by}")
    if found:
        _print(found, as_json=False)
    elif not tenants:
        typer.echo("there are no budgets")


def set_(
    ctx: typer.Context,
    tenant: Tenant = "default",
    cost: Annotated[float | None, typer.Option("--cost", min=0, max=1e9, help="In US dollars, at most.")] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=0, max=10**15, help="Of language models, in and out.")
    ] = None,
    per: EachTime = "day",
) -> None:
    """Let a tenant spend so much on models in each day or month, counted from now. What is over is refused."""
    if cost is None and tokens is None:
        raise Rejected("say how much: --cost, --tokens or both; `resprout budget remove` takes a budget away.")
    limits = Limits(tokens=tokens, nanos=nanos_of(cost) if cost is not None else None)
    _take_care(ctx, lambda care: care.set(tenant, per, limits))
    typer.echo(f"{tenant} may spend {_said(limits.nanos, limits.tokens)} each {per}")


def remove(ctx: typer.Context, tenant: Tenant = "default", per: EachTime = "day") -> None:
    """Take a tenant's budget away."""
    _take_care(ctx, lambda care: care.remove(tenant, per))
    typer.echo(f"{tenant} has no budget for each {per}")


def as_told(row: "BudgetRow") -> dict[str, Any]:
    """With what is left: none where nothing limits it."""
    told = asdict(row)
    for name in ("tokens", "nanos", "calls"):
        most = told[f"max_{name}"]
        used = told[f"spent_{name}"] + told[f"reserved_{name}"]
        told[f"left_{name}"] = max(most - used, 0) if most is not None else None
    return told


def _print(found: "list[BudgetRow]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([as_told(one) for one in found], default=str))
        return
    print_rows(COLUMNS, (_cells(row) for row in found))


def _cells(row: "BudgetRow") -> tuple[object, ...]:
    unknown = f" and {row.unpriced_calls:,} calls of unknown cost" if row.unpriced_calls else ""
    held = f"{dollars(row.reserved_nanos)}, {row.reserved_tokens:,} tokens" if row.reserved_calls else ""
    return (
        row.id,
        row.title,
        _of(dollars(row.spent_nanos), dollars(row.max_nanos) if row.max_nanos is not None else None) + unknown,
        _of(f"{row.spent_tokens:,}", f"{row.max_tokens:,}" if row.max_tokens is not None else None),
        _of(f"{row.spent_calls:,}", f"{row.max_calls:,}" if row.max_calls is not None else None),
        held,
        row.until,
    )


def _of(spent: str, most: str | None) -> str:
    return f"{spent} of {most}" if most is not None else spent


def _limits(one: "TenantBudget") -> str:
    return _said(one.max_nanos, one.max_tokens)


def _said(nanos: int | None, tokens: int | None) -> str:
    parts = [dollars(nanos)] if nanos is not None else []
    return " and ".join([*parts, f"{tokens:,} tokens"] if tokens is not None else parts)


def _take_care(ctx: typer.Context, work: "Callable[[BudgetCare], Awaitable[None]]") -> None:
    from ...memory.audit import Audit
    from ...memory.budget_book import BudgetBook
    from ..budget_care import BudgetCare
    from ..policy import policy_of

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def go(database: "Database") -> None:
        book = BudgetBook.of(database)
        await work(BudgetCare(book, policy_of(settings, book.open), Audit(book.open), identity.user()))

    query(ctx, go)
