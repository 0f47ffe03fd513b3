"""`resprout task …`: single jobs for whoever can do them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from ...workflows.task import TaskInput
    from ..runs import RunRef, Runs
    from ..task_rows import TaskRow
    from ..tasks import Tasks

from ...actors.errors import Rejected
from .agent_options import PriorityName, Tenant, one_of_priorities
from .hints import as_given
from .inputs import read_pairs
from .plain_text import sentence
from .queries import print_rows
from .run_options import AsJson, Limit, with_runs

Result = TypeVar("Result")

TaskId = Annotated[str, typer.Argument(metavar="ID", help="The id of the task.")]


def register(app: typer.Typer) -> None:
    task = typer.Typer(no_args_is_help=True, help="Single jobs: for an agent, or for whoever can do them.")
    for command in (submit, list_, show, cancel, dead_letters, replay, stats):
        task.command(command.__name__.rstrip("_").replace("_", "-"))(command)
    app.add_typer(task, name="task")


def submit(
    ctx: typer.Context,
    message: Annotated[str, typer.Option("--message", "-m", help="The message type, as in greeter.greet.")],
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="[K=V]...", help="The fields of the message; V is JSON or plain text.")
    ] = None,
    capability: Annotated[str | None, typer.Option("--capability", help="Whoever can do this.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="This agent, kind/key.")] = None,
    name: Annotated[str | None, typer.Option("--id", help="Id of the task.")] = None,
    retries: Annotated[int, typer.Option("--retries", min=0, max=100, help="Attempts after the first.")] = 3,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="For each attempt, as in 30s.")] = "1m",
    priority: PriorityName = "normal",
    tenant: Tenant = "default",
    again: Annotated[
        bool, typer.Option("--again", help="Also under the --id of a task that was given up, in its place.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the reply and print it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job. What fails is tried again later, by another agent if there is one, and in the end given up."""
    from ..tasks import task_input

    if (capability is None) == (agent is None):
        raise Rejected("say who does it: --capability or --agent, and not both.")
    given = task_input(
        capability=capability,
        agent=_address(agent) if agent is not None else None,
        message=message,
        body=read_pairs(fields or [], "field", "name=ada"),
        retries=retries,
        timeout=_length(timeout),
        priority=one_of_priorities(priority),
        tenant=tenant,
    )
    raise typer.Exit(with_runs(ctx, lambda runs: _submit(runs, given, name, again=again, wait=wait, as_json=as_json)))


def _address(text: str) -> str:
    from ...actors.address import AgentAddress

    return str(AgentAddress.parse(text))


def _length(text: str) -> timedelta:
    from ...actors.duration import parse_duration

    try:
        length = parse_duration(text)
    except ValueError as error:
        raise Rejected(f"--timeout {text}: {error}") from None
    if not timedelta(0) < length <= timedelta(days=1):
        raise Rejected(f"--timeout {text}: an attempt takes more than nothing and at most a day.")
    return length


async def _submit(runs: "Runs", given: "TaskInput", name: str | None, *, again: bool, wait: bool, as_json: bool) -> int:
    from ..tasks import Tasks

    return await _told(await Tasks(runs).submit(given, name, again=again), wait=wait, as_json=as_json)


async def _told(run: "RunRef", *, wait: bool, as_json: bool) -> int:
    from ...actors.errors import RunFailed
    from ...workflows.task import DEAD_LETTERED

    told: dict[str, Any] = {"id": run.id, "url": run.url}
    if not wait:
        text = as_given(f"submitted {run.id}: see `resprout task show {run.id}`")
        typer.echo(json.dumps(told) if as_json else text)
        return 0
    try:
        reply = await run.result()
    except RunFailed as failure:
        status = "dead-lettered" if failure.type == DEAD_LETTERED else failure.status
        told |= {"status": status, "error": {"type": failure.type, "message": failure.reason}}
        why = f": {failure.reason}" if failure.reason else "."
        text = as_given(f"{run.id} {_ended(status)}{why} See `resprout task show {run.id}`.")
        typer.echo(json.dumps(told)) if as_json else typer.secho(text, fg="red", err=True)
        return 1
    typer.echo(json.dumps({**told, "status": "completed", "result": reply}) if as_json else json.dumps(reply, indent=2))
    return 0


def _ended(status: str) -> str:
    return {"dead-lettered": "is dead-lettered", "failed": "failed"}.get(status, f"was {status}")


def list_(
    ctx: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            help="pending, routing, executing, completed, failed, cancelled, dead-lettered; may be repeated.",
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only on this account.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List tasks: those that are under way, then those that have ended; the newest first."""
    found = _with_tasks(ctx, lambda tasks: tasks.list(statuses=status or [], tenant=tenant, limit=limit))
    _print(found, limit, as_json=as_json)


def dead_letters(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the tasks that were given up, and not taken up again since."""
    _print(_with_tasks(ctx, lambda tasks: tasks.dead_letters(limit=limit)), limit, as_json=as_json)


def _print(found: "Sequence[TaskRow]", limit: int, *, as_json: bool) -> None:
    from .run_view import length

    if as_json:
        typer.echo(json.dumps([row.as_json() for row in found]))
        return
    now = datetime.now(UTC)
    print_rows(
        ("id", "for", "message", "status", "started", "time", "tenant"),
        (
            (r.id, r.aim, r.message, r.status, r.started_at, length(r.started_at, r.ended_at, now), r.tenant)
            for r in found
        ),
    )
    if len(found) == limit:
        typer.echo(f"There may be more: --limit {min(limit * 10, 10_000)}", err=True)


def show(ctx: typer.Context, task: TaskId, as_json: AsJson = False) -> None:
    """Show where a task is, who does it, and why its attempts failed."""
    seen = _with_tasks(ctx, lambda tasks: tasks.show(task))
    if as_json:
        typer.echo(json.dumps(seen.as_json()))
        return
    row, state = seen.row, seen.state
    if not state:
        typer.echo(f"{row.id}: {row.status}")
        typer.secho(sentence(str(seen.failure)), fg="red", err=True)
        return
    who = f", by {state['agent']}" if state["agent"] else ""
    attempts = f"attempt {state['attempt']} of {state['attempts']}"
    typer.echo(f"{row.id}: {row.status}; {row.message} for {row.aim}{who}; {attempts}")
    for one in state["errors"]:
        said = sentence(f"{one['type']}: {one['message']}")
        typer.echo(f"attempt {one['attempt']}, {one['agent'] or 'nobody'}: {said}")
    if row.status == "completed":
        typer.echo(json.dumps(seen.reply, indent=2, ensure_ascii=False))


def cancel(ctx: typer.Context, task: TaskId) -> None:
    """Ask a task to end; what the agent does for it is stopped."""
    _with_tasks(ctx, lambda tasks: tasks.cancel(task))
    typer.echo(f"{task} is being cancelled")


def replay(
    ctx: typer.Context,
    task: TaskId,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the reply and print it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take up a task again that was given up, failed or was cancelled: under the same id, with all its attempts."""

    async def go(runs: "Runs") -> int:
        from ..tasks import Tasks

        return await _told(await Tasks(runs).replay(task), wait=wait, as_json=as_json)

    raise typer.Exit(with_runs(ctx, go))


def stats(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Count tasks by status, and say how long the last ones took."""
    found = _with_tasks(ctx, lambda tasks: tasks.stats())
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    print_rows(("status", "tasks"), found.counts.items())
    if found.seconds:
        typer.echo("completed in  " + "  ".join(f"{name} {value:g} s" for name, value in found.seconds.items()))


def _with_tasks(ctx: typer.Context, work: "Callable[[Tasks], Awaitable[Result]]") -> Result:
    async def go(runs: "Runs") -> Result:
        from ..tasks import Tasks

        return await work(Tasks(runs))

    return with_runs(ctx, go)
