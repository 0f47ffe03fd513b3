"""`resprout policy …`: who may do what, why, and the grants that change it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ...actors.duration import parse_duration
from ...actors.errors import Rejected
from .. import identity
from ..stack.find import attach
from .flags import settings_of
from .hints import as_given
from .policy_ask import cases, check, explain, matrix
from .queries import print_rows, query
from .run_options import AsJson, Limit

if TYPE_CHECKING:
    from ...memory.database import Database
    from ...memory.grants import Grant
    from ..policy import Policy

Result = TypeVar("Result")
Tenant = Annotated[str, typer.Option("--tenant", help="The tenant; '*' is every one.")]


def register(app: typer.Typer) -> None:
    policy = typer.Typer(no_args_is_help=True, help="Who may do what: grant, revoke, explain, test.")
    for command in (grant, revoke, grants, explain, check, matrix):
        policy.command(command.__name__)(command)
    policy.command("test")(cases)
    app.add_typer(policy, name="policy")


def grant(
    ctx: typer.Context,
    principals: Annotated[
        list[str], typer.Argument(metavar="WHO…", help="user:ada, agent:researcher/*, run:publish, role:operator, '*'.")
    ],
    actions: Annotated[
        list[str] | None, typer.Option("--action", help="As in net.connect:*.example.org:443; may be repeated.")
    ] = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", help="Only by these, as in http.* or http.get@>=1,<3.")
    ] = None,
    role: Annotated[str | None, typer.Option("--role", help="A role instead, as in operator or admin.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Only when somebody approves each time.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Never: wins over every grant.")] = False,
    expires: Annotated[str | None, typer.Option("--for", help="For so long, as in 2h or 30d.")] = None,
    why: Annotated[str, typer.Option("--why", help="For those who read it later.")] = "",
    tenant: Tenant = "default",
) -> None:
    """Let somebody do what is not allowed by itself, or deny it. Takes effect everywhere within a second."""
    from ...memory.grants import Grant
    from ..policy import granting

    if approve and deny:
        raise Rejected("--approve and --deny: give one of them.")
    by = identity.user()
    given = [
        Grant(
            tenant=tenant,
            principal=principal,
            verdict="deny" if deny else "approve" if approve else "allow",
            actions=tuple(actions or ()),
            tools=tuple(tools or ()),
            role=role,
            why=why,
            granted_by=by,
            expires_at=_until(expires),
        )
        for principal in principals
    ]

    async def give(database: "Database", policy: "Policy") -> "list[Grant]":
        for one in given:
            granting.checked(one, policy.rules)
        return await granting.grant(database, policy, given, by)

    for one in _with_policy(ctx, give):
        typer.echo(f"grant {one.id}: {_told(one)}")


def revoke(
    ctx: typer.Context,
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER…", help="As `policy grants` lists them.")],
    tenant: Tenant = "default",
) -> None:
    """End grants or denials."""
    from ..policy import granting

    async def end(database: "Database", policy: "Policy") -> "list[Grant]":
        return [await granting.revoke(database, policy, tenant, number, identity.user()) for number in numbers]

    for one in _with_policy(ctx, end):
        typer.echo(f"revoked grant {one.id}: {_told(one)}")


def grants(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over or revoked.")] = False,
    tenant: Tenant = "default",
    limit: Limit = 100,
    as_json: AsJson = False,
    as_data: Annotated[
        bool, typer.Option("--data", help="All in force, of every tenant, as the data of an OPA server.")
    ] = False,
) -> None:
    """List the grants, the newest first."""
    from ...memory.grants import Grants

    if as_data:  # all that the rules go by: one denial left out would be an answer too mild
        in_force = query(ctx, lambda database: Grants(database.opened).in_force())
        typer.echo(json.dumps(_document(ctx, in_force)))
        return
    found = query(ctx, lambda database: Grants(database.opened).every(tenant, limit))
    now = datetime.now(UTC)
    kept = [one for one in found if every or _holds(one, now)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in kept], default=str))
    elif not kept:
        typer.echo(as_given("there are no grants: `resprout policy grant --help` shows how one is made"))
    else:
        print_rows(
            ("number", "grant", "by", "at", "until", "why"),
            ((g.id, _told(g), g.granted_by, g.granted_at, g.revoked_at or g.expires_at, g.why) for g in kept),
        )


def _with_policy(ctx: typer.Context, work: "Callable[[Database, Policy], Awaitable[Result]]") -> Result:
    from ..policy import policy_of

    settings = attach(settings_of(ctx).settings, "postgres.dsn")
    return query(ctx, lambda database: work(database, policy_of(settings, database.opened)))


def _document(ctx: typer.Context, found: "list[Grant]") -> object:
    from ..policy import rules_of
    from ..policy.granted import as_data

    rules = rules_of(attach(settings_of(ctx).settings))
    return {"resprout": {"facts": {**rules.facts, "grants": [as_data(one) for one in found]}}}


def _holds(one: "Grant", now: datetime) -> bool:
    return one.revoked_at is None and (one.expires_at is None or one.expires_at > now)


def _told(one: "Grant") -> str:
    if one.role is not None:
        return f"{one.principal} is {one.role}"
    verb = {"allow": "may", "approve": "may, when approved,", "deny": "must not"}[one.verdict]
    what = ", ".join(one.actions) or "do all"
    by = f" by {', '.join(one.tools)}" if one.tools else ""
    return f"{one.principal} {verb} {what}{by}"


def _until(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.now(UTC) + parse_duration(text)
    except ValueError as error:
        raise Rejected(f"--for {text}: {error}") from None
