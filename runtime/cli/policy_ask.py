"""`resprout policy explain | test | check | matrix`: what policy says, before anybody relies on it."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...actors.errors import Broken, Rejected
from .. import identity
from ..stack.find import attach
from .flags import settings_of
from .plain_text import sentence
from .queries import query
from .run_options import AsJson

if TYPE_CHECKING:
    from ...activities.tools.policy import Decision, Question
    from ...memory.database import Database
    from ..policy import Policy


class NotAsExpected(Broken):
    """Policy decides otherwise than a case expects."""


def explain(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(help="As in http.get or http.get@1.2.")] = "",
    chain: Annotated[
        list[str] | None, typer.Option("--as", help="In whose name, the first first; may be repeated. Default: you.")
    ] = None,
    arguments: Annotated[
        str | None, typer.Option("--args", help="The arguments, as a JSON object. Default: all that the tool may do.")
    ] = None,
    action: Annotated[str, typer.Option("--action", help="tool.call, policy.grant, approval.answer, …")] = "tool.call",
    asked_by: Annotated[list[str] | None, typer.Option("--asked-by", help="Of approval.answer: who asked.")] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Show what would be decided, and which rules, roles and grants say so. Nothing is done or recorded."""
    question = _question(
        chain=chain or [identity.user()], tenant=tenant, run=None, action=action, asked_by=asked_by or [],
        **(_call(ctx, tool, arguments) if tool else {}),
    )  # fmt: skip

    async def ask(database: "Database") -> "tuple[Decision, dict[str, Any]]":
        return await _policy(ctx, database).explain(question)

    decision, explained = query(ctx, ask)
    if as_json:
        typer.echo(json.dumps({**explained, "decision": asdict(decision)}))
        return
    typer.secho(decision.verdict, bold=True)
    for reason in decision.reasons:
        typer.echo(f"  {sentence(reason)}")
    typer.echo(f"by {', '.join(decision.grounds)}")
    for principal, roles in explained["roles"].items():
        typer.echo(f"{principal} is {', '.join(roles)}")
    for opinion in explained["opinions"]:
        said = ", ".join(_opinion(one) for one in opinion["said"]) or "nobody grants it"
        typer.echo(f"{opinion['principal']}, {opinion['need']['action']}:{opinion['need']['on']}: {said}")


def cases(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, or directories. Default: those that ship.")] = None,
) -> None:
    """Hold the rules, with yours of `policy.dir`, against cases: a question and the verdict that is expected."""
    from ..policy import rules_of
    from ..policy.cases import SHIPPED_CASES, failure, files, read

    rules = rules_of(settings_of(ctx).settings)

    async def run() -> tuple[int, list[str]]:
        held = [(path, case) for path in files(paths or [SHIPPED_CASES]) for case in read(path)]
        said = [(path, case.case, await failure(case, rules)) for path, case in held]
        return len(held), [f"{path}: {case}: {wrong}" for path, case, wrong in said if wrong is not None]

    count, wrong = asyncio.run(run())
    for one in wrong:
        typer.echo(one)
    if wrong:
        raise NotAsExpected(f"{len(wrong)} of {count} cases are decided otherwise than they expect.")
    typer.echo(f"{count} cases are decided as they expect")


def check(ctx: typer.Context) -> None:
    """Compile the rules, with yours of `policy.dir`, and say which they are."""
    from ..policy import rules_of
    from ..policy.engine import Engine

    rules = rules_of(settings_of(ctx).settings)
    Engine(rules)
    typer.echo(f"{', '.join(rules.modules)}\nroles: {', '.join(rules.roles)}\ndigest: {rules.digest}")


def matrix(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show what each role may do, without any grant: actions, duties, and the tools that ship."""
    from ..policy import matrix as tables
    from ..policy import rules_of

    rules = rules_of(settings_of(ctx).settings)

    async def decided() -> dict[str, list[tables.Row]]:
        return {
            "actions": await tables.of_actions(rules),
            "duties": await tables.of_duties(rules),
            "tools": await tables.of_tools(rules, tables.shipped_tools()),
        }

    found = asyncio.run(decided())
    if as_json:
        typer.echo(json.dumps({part: [asdict(row) for row in rows] for part, rows in found.items()}))
        return
    for part, rows in found.items():
        typer.echo(tables.as_markdown(rows, part))


def _policy(ctx: typer.Context, database: "Database") -> "Policy":
    from ..policy import policy_of

    return policy_of(attach(settings_of(ctx).settings), database.opened)


def _question(**words: Any) -> "Question":
    from pydantic import ValidationError

    from ...activities.tools.policy import Question

    try:
        return Question.model_validate(words)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Rejected(f"{where}: {first['msg']}; write it as `resprout policy explain --help` shows.") from None


def _call(ctx: typer.Context, reference: str, arguments: str | None) -> dict[str, Any]:
    """As it would be asked. Without arguments, of all that the tool may do, anywhere."""
    from ...activities.tools.secrets import references_in
    from .toolbox import checked, toolbox_of

    toolbox = toolbox_of(ctx)
    tool = toolbox.find(reference)
    given = _object(arguments or "{}")
    needs: list[Any] = [{"action": action} for action in tool.manifest.permissions]
    parsed = checked(tool, given) if arguments is not None else None
    if parsed is not None:
        needs = [need.model_dump() for need in (*tool.needs(parsed), *references_in(given))]
    if tool.seen_elsewhere is not None and needs:
        typer.echo("only a worker has the code of this tool: it is asked about all that the tool may do", err=True)
    return {
        "tool": tool.name,
        "version": tool.manifest.version,
        "newest": toolbox.find(tool.name).manifest.version,
        "source": tool.source,
        "danger": tool.manifest.danger,
        "permissions": needs,
        "arguments": given,
    }


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Rejected('--args is no JSON object: write it as in \'{"url": "https://example.org"}\'.')
    return value


def _opinion(one: dict[str, Any]) -> str:
    by = one["by"]
    who = f"grant {by}" if isinstance(by, int) else "the rules" if by == "rule" else f"the role {by}"
    return f"{one['verdict']} by {who}"
