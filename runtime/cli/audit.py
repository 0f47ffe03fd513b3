"""`resprout audit …`: what was decided and what became of it; and whether the log of it is whole."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...actors.errors import Broken, NotFound, Rejected
from .queries import print_facts, print_rows, query
from .run_options import AsJson, Limit

if TYPE_CHECKING:
    from ...memory.audit import Audit, AuditRow, Head
    from ...memory.audit_check import Fault, Whole
    from ...memory.database import Database

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]

Since = Annotated[datetime | None, typer.Option("--since", formats=FORMATS, help="From this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", formats=FORMATS, help="Before this time (UTC).")]


class NotWhole(Broken):
    """The audit log was changed."""


DIGEST = 32  # bytes of a hash of the log


def register(app: typer.Typer) -> None:
    audit = typer.Typer(no_args_is_help=True, help="What was decided and done: search, verify, export.")
    for command in (search, show, verify, export, anchor):
        audit.command(command.__name__)(command)
    app.add_typer(audit, name="audit")


def search(
    ctx: typer.Context,
    text: Annotated[str | None, typer.Argument(help="In arguments, reasons or steps.")] = None,
    who: Annotated[str | None, typer.Option("--who", help="Where this principal is in the chain.")] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Of this tool.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Of this run.")] = None,
    verdict: Annotated[str | None, typer.Option("--verdict", help="allow, approve or deny.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="As in decided, refused, done, granted.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of this tenant.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Search the audit log, the latest first."""
    found = query(
        ctx,
        lambda database: _audit(database).search(
            since=_utc(since), until=_utc(until), principal=who, tool=tool, run=run,
            verdict=verdict, kind=kind, tenant=tenant, text=text, limit=limit,
        ),
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in found]))
        return
    print_rows(
        ("seq", "at", "kind", "who", "tool", "verdict", "by", "run", "why"),
        ((*_facts(row), ", ".join(row.grounds or ()), row.run, " ".join(row.reasons)) for row in found),
    )
    if len(found) == limit:
        typer.echo(f"There may be more: --limit {limit * 10}", err=True)


def _facts(row: "AuditRow") -> tuple[object, ...]:
    return (row.seq, row.at, row.kind, row.chain[-1], row.tool, row.verdict)


def show(
    ctx: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=1, help="As `audit search` lists them.")],
    as_json: AsJson = False,
) -> None:
    """Show all that one row says."""
    row = query(ctx, lambda database: _audit(database).row(seq))
    if row is None:
        raise NotFound(f"the audit log has no row {seq}: find one with `resprout audit search`.")
    told = row.as_json()
    if as_json:
        typer.echo(json.dumps(told))
    else:
        print_facts({**told, "arguments": json.loads(row.arguments)})


def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option("--file", help="An exported log instead of the database.")] = None,
    anchors: Annotated[
        list[str] | None, typer.Option("--anchor", metavar="SEQ:HASH", help="What `audit anchor` said.")
    ] = None,
) -> None:
    """Check that no row was changed, taken out, put in or moved. Ends with 1 where one was."""
    from .. import audit_files

    heads = [_head(text) for text in anchors or ()]
    if file is not None:
        result = asyncio.run(_check(audit_files.read(file), heads))
    else:
        result = query(ctx, lambda database: _check_stored(database, heads))
    typer.echo(_said(result))


def export(
    ctx: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="A file; CSV if its name ends so. Default: standard output.")
    ] = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Only what follows this row.")] = 0,
) -> None:
    """Write the log with its hashes, as JSON lines or CSV, for `audit verify --file`."""
    from .. import audit_files

    async def write(database: "Database") -> int:
        rows = _audit(database).rows(after)
        if to is None:
            return await audit_files.write(rows, sys.stdout, as_csv=False)
        with to.open("w", newline="") as file:
            return await audit_files.write(rows, file, as_csv=to.suffix == ".csv")

    try:
        written = query(ctx, write)
    except OSError as error:
        raise Rejected(f"{to} cannot be written: {error.strerror}.") from None
    if to is not None:
        typer.echo(f"{to}: {written:,} rows")


def anchor(ctx: typer.Context) -> None:
    """Print the last row's number and hash. Kept elsewhere, it shows whether the log is written anew later on."""
    head = query(ctx, lambda database: _audit(database).head())
    typer.echo(f"{head.seq}:{head.hash.hex()}")


def _audit(database: "Database") -> "Audit":
    from ...memory.audit import Audit

    return Audit(database.opened)


async def _check(rows: "AsyncIterator[AuditRow]", heads: "list[Head]") -> "Whole | Fault":
    """A file may be of the end of a log: it is checked from its first row on."""
    from ...memory.audit_check import check

    first = await anext(rows, None)
    if first is None:
        return await check(_none(), heads)

    async def all_rows() -> "AsyncIterator[AuditRow]":
        yield first
        async for row in rows:
            yield row

    return await check(all_rows(), heads, begins_after=first.seq - 1)


async def _none() -> "AsyncIterator[AuditRow]":
    return
    yield


async def _check_stored(database: "Database", heads: "list[Head]") -> "Whole | Fault":
    from ...memory.audit_check import check

    audit = _audit(database)
    stored = await audit.head()  # first: rows that are added meanwhile are checked as well
    return await check(audit.rows(), [*heads, *([stored] if stored.seq else [])])


def _head(text: str) -> "Head":
    from ...memory.audit import Head

    seq, _, digest = text.partition(":")
    try:
        head = Head(int(seq), bytes.fromhex(digest))
        if len(head.hash) != DIGEST:
            raise ValueError(digest)
    except ValueError:
        raise Rejected(
            f"--anchor {text}: write it as `resprout audit anchor` prints it, a number:a hash of 64 digits."
        ) from None
    return head


def _said(result: "Whole | Fault") -> str:
    from ...memory.audit_check import Fault

    if isinstance(result, Fault):
        raise NotWhole(f"the audit log is not whole from row {result.seq} on ({result.what}): {result.said}.")
    unheld = ", ".join(map(str, result.unheld))
    rest = f"; it was not held against the anchor {unheld}, which is of before its first row" if unheld else ""
    return f"whole: {result.rows:,} rows, up to {result.head.seq}:{result.head.hash.hex()}{rest}"


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None else None
