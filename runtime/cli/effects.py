"""`resprout effects …`: what tools did, and what nobody knows whether they did."""

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...actors.errors import NotFound, Rejected
from .. import identity
from ..stack.find import attach
from .flags import settings_of
from .hints import as_given
from .queries import print_facts, print_rows, query
from .run_options import AsJson, Limit, with_runs

if TYPE_CHECKING:
    from ...memory.database import Database
    from ...memory.effect import Effect
    from ..runs import Runs

Tool = Annotated[str | None, typer.Option("--tool", help="Only of this tool.")]
Run = Annotated[str | None, typer.Option("--run", help="Only of this run.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key of the effect.")]

STATES = ("intended", "done", "failed", "in-doubt", "again")


def register(app: typer.Typer) -> None:
    effects = typer.Typer(no_args_is_help=True, help="What tools did, and what is in doubt.")
    for command in (list_, in_doubt, show, resolve):
        effects.command(command.__name__.rstrip("_").replace("_", "-"))(command)
    app.add_typer(effects, name="effects")


def list_(
    ctx: typer.Context,
    tool: Tool = None,
    run: Run = None,
    state: Annotated[str | None, typer.Option("--state", help=f"One of {', '.join(STATES)}.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List calls of tools, the latest first."""
    if state is not None and state not in STATES:
        raise Rejected(f"--state {state}: write one of {', '.join(STATES)}.")
    print_effects(ctx, tool, run, state, limit, as_json=as_json)


def in_doubt(
    ctx: typer.Context, tool: Tool = None, run: Run = None, limit: Limit = 50, as_json: AsJson = False
) -> None:
    """List calls of which nobody knows whether they were done."""
    found = print_effects(ctx, tool, run, "in-doubt", limit, as_json=as_json)
    if found and not as_json:
        key = shlex.quote(found[0].key)
        ways = ", ".join(f"`resprout effects resolve {key} {way}`" for way in ("done", "failed", "again"))
        typer.echo(as_given(f"say what became of one, as in {ways}"), err=True)


def show(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Show one call: who asked, with what, when, and what came of it."""
    told = as_told(_one(ctx, key))
    if as_json:
        typer.echo(json.dumps(told))
        return
    print_facts(told)


def resolve(
    ctx: typer.Context,
    key: Key,
    resolution: Annotated[
        str, typer.Argument(metavar="done|failed|again", help="It was done; it was not; or it is to be done again.")
    ],
    result: Annotated[
        str | None, typer.Option("--result", metavar="JSON", help="What it gave, with `done`; the run goes on with it.")
    ] = None,
    comment: Annotated[str, typer.Option("--comment", help="How you know.")] = "",
    name: Annotated[str | None, typer.Option("--as", help="Who says so. Default: the user of this machine.")] = None,
) -> None:
    """Say what became of a call in doubt; its run goes on."""
    if resolution not in ("done", "failed", "again"):
        raise Rejected(f"{resolution!r} is no way to resolve it: write done, failed or again.")
    if result is not None and resolution != "done":
        raise Rejected("--result is what a call that is done gave: leave it out.")
    effect = _one(ctx, key)
    if effect.state != "in-doubt":
        raise Rejected(f"{effect.key} is not in doubt: it is {effect.state}.")
    by = name or identity.user_name()
    if resolution == "done":
        _refuse_unfit(ctx, effect, _json(result))
    told = {"resolution": resolution, "by": by, "comment": comment, "result": _json(result)}
    if with_runs(ctx, lambda runs: _told_run(runs, effect, told)):
        typer.echo(f"{effect.key}: {resolution}, says {by}")
        return
    if resolution == "again":
        raise Rejected(
            f"the run {effect.run} does not wait for it any more, so it is not done again: say done or failed."
        )
    _write(ctx, effect, told)
    typer.echo(f"{effect.key}: {resolution}, says {by}; its run does not wait for it any more")


def _refuse_unfit(ctx: typer.Context, effect: "Effect", result: Any) -> None:
    """The run goes on with it, as if the tool had given it."""
    from jsonschema import Draft202012Validator

    from .toolbox import toolbox_of

    try:
        schema = toolbox_of(ctx).find(f"{effect.tool}@{effect.version}").manifest.output
    except NotFound:  # it is no tool of today any more
        return
    problem = next(iter(Draft202012Validator(schema).iter_errors(result)), None)
    if problem is not None:
        said = "say with --result what it gave" if result is None else f"--result does not fit: {problem.message}"
        raise Rejected(f"{said}: the run goes on with that. `resprout tool show {effect.tool}` tells what it gives.")


async def _told_run(runs: "Runs", effect: "Effect", told: dict[str, Any]) -> bool:
    """False: it does not wait for this."""
    from ...workflows.interpreter.approvals import Answer
    from ..runs import AGENT, FLOW

    ref = runs.get(effect.run)
    try:
        row = await ref.describe()
    except NotFound:
        return False
    if not row.is_open or row.kind not in (FLOW, AGENT):
        return False
    if not any(one.get("effect") == effect.key for one in (await ref.state())["approvals"]):
        return False  # the run has gone on without it
    decision = {name: value for name, value in told.items() if name != "resolution"}
    words = {"task": effect.step, "effect": effect.key, "decision": told["resolution"], **decision}
    await ref.answer(Answer.model_validate(words))
    return True


def _write(ctx: typer.Context, effect: "Effect", told: dict[str, Any]) -> None:
    from ...activities.contracts import ResolveInput
    from ...activities.tools.doubts import Doubts
    from ...memory.audit import Audit
    from ...memory.effects import Effects
    from ..policy import policy_of

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def write(database: "Database") -> None:
        doubts = Doubts(policy_of(settings, database.opened), Effects(database.opened), Audit(database.opened).append)
        await doubts.resolve(ResolveInput.model_validate({"effect": effect.key, **told}))

    query(ctx, write)


def print_effects(
    ctx: typer.Context, tool: str | None, run: str | None, state: str | None, limit: int, *, as_json: bool
) -> "list[Effect]":
    from ...memory.effects import Effects

    found = query(ctx, lambda database: Effects(database.opened).latest(tool=tool, run=run, state=state, limit=limit))
    if as_json:
        typer.echo(json.dumps([as_told(one) for one in found]))
        return found
    if not found:
        typer.echo("nothing is in doubt" if state == "in-doubt" else "there are none")
        return found
    print_rows(
        ("at", "tool", "state", "by", "seconds", "key", "error"),
        ((e.intended_at, f"{e.tool}@{e.version}", e.state, e.chain[-1], _seconds(e), e.key, e.error) for e in found),
    )
    return found


def as_told(effect: "Effect") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(asdict(effect), default=str))
    told["arguments"] = json.loads(effect.arguments)
    told["result"] = json.loads(effect.result) if effect.result is not None else None
    return told


def _one(ctx: typer.Context, key: str) -> "Effect":
    from ...memory.effects import Effects

    found = query(ctx, lambda database: Effects(database.opened).find(key))
    if found is None:
        raise NotFound(f"there is no effect {key!r}: list them with `resprout effects list`.")
    return found


def _seconds(effect: "Effect") -> str:
    return f"{(effect.ended_at - effect.tried_at).total_seconds():.2f}" if effect.ended_at else ""


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        raise Rejected(f"--result {text} is not JSON: write text in quotes, as in --result '\"sent\"'.") from None
