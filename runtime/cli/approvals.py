"""`resprout approvals …`: the one inbox of what waits for a person, from tools and from tasks of flows."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.syntax import Syntax

from ...actors.errors import NotFound, Rejected
from .. import identity
from .hints import as_given
from .inputs import read_pairs
from .plain_text import plain_text
from .queries import print_facts, print_rows, query
from .run_options import AsJson, Limit, with_runs

if TYPE_CHECKING:
    from ...memory.approvals import Approval
    from ..runs import Runs

Which = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the approval; or its run, where one waits; or RUN/TASK.")
]
Comment = Annotated[str, typer.Option("--comment", help="Why.")]
Name = Annotated[str | None, typer.Option("--as", help="Who answers. Default: the user of this machine.")]


def register(app: typer.Typer) -> None:
    approvals = typer.Typer(no_args_is_help=True, help="What waits for a person: list, look, approve, reject.")
    for command in (list_, show, approve, reject):
        approvals.command(command.__name__.rstrip("_"))(command)
    app.add_typer(approvals, name="approvals")


def list_(
    ctx: typer.Context,
    state: Annotated[
        str, typer.Option("--state", help="pending, approved, rejected, expired, withdrawn, or all.")
    ] = "pending",
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only of this run.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List what waits for an answer, the latest first."""
    if state not in (states := ("pending", "approved", "rejected", "expired", "withdrawn", "all")):
        raise Rejected(f"--state {state}: write one of {', '.join(states)}.")
    found = _listed(ctx, None if state == "all" else state, tenant, run, limit)
    if state == "pending":
        found = _of_open_runs(ctx, found)
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in found]))
        return
    if not found:
        typer.echo("nothing waits for an answer" if state == "pending" else "there are none")
        return
    print_rows(
        ("asked at", "id", "what", "run", "asked by", "for", "state"),
        (
            (a.asked_at, a.id, a.title, a.run, a.chain[-1], ", ".join(a.who) or "anybody who may", a.state)
            for a in found
        ),
    )
    if state == "pending":
        typer.echo(as_given(f"look at one: `resprout approvals show {shlex.quote(found[0].id)}`"), err=True)


def show(ctx: typer.Context, which: Which, as_json: AsJson = False) -> None:
    """Show what is asked: the tool, its arguments, what it would change, who asks and why it needs an answer."""
    approval = _one(ctx, which, pending=False)
    if as_json:
        typer.echo(json.dumps(approval.as_json()))
        return
    print_facts(_facts(approval))
    _print_parts(approval.as_json())
    if approval.state == "pending":
        _tell_ways(approval)


def _tell_ways(approval: "Approval") -> None:
    which, run = shlex.quote(approval.id), shlex.quote(approval.run)
    typer.echo(
        as_given(
            f"\nanswer it: `resprout approvals approve {which}`, or `resprout approvals reject {which}`"
            f"\nwithdraw it, with the run that asks: `resprout runs cancel {run}`"
        ),
        err=True,
    )


def approve(
    ctx: typer.Context,
    which: Which,
    comment: Comment = "",
    edit: Annotated[
        list[str] | None,
        typer.Option("--edit", metavar="K=V", help="Approve it with this argument instead; V is JSON or plain text."),
    ] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="K=V", help="A field of the form; V is JSON or plain text.")
    ] = None,
    name: Name = None,
) -> None:
    """Say yes. What was asked happens, exactly as shown or as edited."""
    approval = _one(ctx, which, pending=True)
    arguments = None
    if edit:
        if approval.arguments is None:
            raise Rejected(f"{approval.title} is a question of a flow and has no arguments to --edit: use --field.")
        arguments = json.loads(approval.arguments) | read_pairs(edit, "--edit", "path=notes.txt")
    form = read_pairs(fields or [], "--field", "limit=100")
    _answer(ctx, approval, "approve", name, comment, form, arguments)


def reject(ctx: typer.Context, which: Which, comment: Comment = "", name: Name = None) -> None:
    """Say no. Nothing happens, and the run is told why."""
    _answer(ctx, _one(ctx, which, pending=True), "reject", name, comment, {}, None)


def _answer(
    ctx: typer.Context,
    approval: "Approval",
    decision: str,
    name: str | None,
    comment: str,
    form: dict[str, Any],
    arguments: dict[str, Any] | None,
) -> None:
    from ...workflows.interpreter.approvals import Answer

    answer = Answer.model_validate(
        {
            "task": approval.task,
            "approval": approval.id,
            "decision": decision,
            "by": name or identity.user_name(),
            "comment": comment,
            "form": form,
            "arguments": arguments,
        }
    )
    with_runs(ctx, lambda runs: runs.get(approval.run).answer(answer))
    typer.echo(f"{approval.title} is {'approved' if decision == 'approve' else 'rejected'} by {answer.by}")


def _one(ctx: typer.Context, which: str, *, pending: bool) -> "Approval":
    from ...memory.approvals import Approvals

    found = query(ctx, lambda database: Approvals(database.opened).look(which))
    if not found:
        raise NotFound(f"no approval is known by {which!r}: list them with `resprout approvals list`.")
    waiting = [one for one in found if one.state == "pending"]
    exact = [one for one in found if one.id == which] or waiting or found[:1]
    if len(exact) > 1:
        raise Rejected(f"{which} has several that wait: name one of {', '.join(one.id for one in exact)}.")
    if pending and exact[0].state != "pending":
        by = f" by {exact[0].answered_by}" if exact[0].answered_by else ""
        raise Rejected(f"{exact[0].title} is {exact[0].state} already{by}.")
    return exact[0]


def _listed(ctx: typer.Context, state: str | None, tenant: str | None, run: str | None, limit: int) -> "list[Approval]":
    from ...memory.approvals import Approvals

    return query(
        ctx, lambda database: Approvals(database.opened).latest(state=state, tenant=tenant, run=run, limit=limit)
    )


def _of_open_runs(ctx: typer.Context, found: "list[Approval]") -> "list[Approval]":
    """A run that was cancelled or terminated waits for nothing any more."""
    from ...memory.approvals import Approvals

    async def closed(runs: "Runs") -> set[str]:
        ended = set()
        for run in {one.run for one in found}:
            try:
                if not (await runs.get(run).describe()).is_open:
                    ended.add(run)
            except NotFound:
                ended.add(run)
        return ended

    ended = with_runs(ctx, closed) if found else set()
    if gone := [one.id for one in found if one.run in ended]:
        query(ctx, lambda database: Approvals(database.opened).withdraw(gone, "its run has ended."))
    return [one for one in found if one.run not in ended]


def _facts(approval: "Approval") -> dict[str, object]:
    return {
        "id": approval.id,
        "what": approval.title,
        "state": approval.state,
        "asked by": " → ".join(approval.chain),
        "for": ", ".join(approval.who) or "anybody who may answer approvals",
        "run": approval.run,
        "task": approval.task,
        "because": " ".join(approval.reasons),
        "expires": f"{approval.expires_at:%Y-%m-%d %H:%M:%S}" if approval.expires_at else "",
        "answered by": approval.answered_by,
        "comment": approval.comment,
    }


def _print_parts(told: dict[str, Any]) -> None:
    from .stack_view import console

    for name in ("arguments", "edited", "shown", "form"):
        if not told[name]:
            continue
        typer.secho(f"\n{name}", bold=True)
        diff = told[name].get("diff") if isinstance(told[name], dict) else None
        if isinstance(diff, str):
            console().print(Syntax(plain_text(diff), "diff", background_color="default"))
        else:
            typer.echo(plain_text(json.dumps(told[name], indent=2, ensure_ascii=False)))
