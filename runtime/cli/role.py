"""`resprout role list | show | new`: what agents can be told of themselves, by name. Nothing here needs a stack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .file_new import write_new
from .flags import settings_of
from .inputs import read_pairs
from .plain_text import plain_text
from .problems import show_problems
from .queries import print_facts, print_rows
from .run_options import AsJson

if TYPE_CHECKING:
    from ...activities.tools.toolbox import Toolbox
    from ...workflows.role_file import RoleFile
    from ..roles import Roles

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in researcher.")]

TEMPLATE = """\
# A role: what an agent is told of itself, and what it may use. Look at it with `resprout role show {name}`.
# Workers find it in the directory that the setting `roles.dir` names.

role: {name}
version: "1.0"
description: answers questions about our product

# What of it may be chosen, where it is used: `variables: {{tone: formal}}`.
variables:
  tone: {{description: how it speaks, default: friendly and short}}

system: |
  You answer questions about our product. Be {{{{tone}}}}.
  Answer from what you are given or find with your tools. If that does not say it, say that you do not know.

# See `resprout tool list`. Whether a call is made, policy decides each time.
tools: [files.read, files.search]

# All of these may be left out.
# model: local
# max_tokens: 2000
# temperature: 0.2
# max_iterations: 20
"""


def register(app: typer.Typer) -> None:
    role = typer.Typer(no_args_is_help=True, help="Roles of agents: list, look, begin.")
    for command in (list_, show, new):
        role.command(command.__name__.rstrip("_"))(command)
    app.add_typer(role, name="role")


def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the roles: those that ship, and those of `roles.dir`."""
    from ..roles import BadRole

    roles = _roles(ctx)
    found: list[RoleFile] = []
    for name in roles.files():
        try:
            found.append(roles.find(name))
        except BadRole as error:  # one that cannot be read hides none of the others
            show_problems(error.problems, err=True)
    if as_json:
        typer.echo(json.dumps([_told(one, roles) for one in found]))
        return
    columns = ("role", "version", "what it is good for", "variables", "from")
    print_rows(
        columns,
        ((one.role, one.version, one.description, ", ".join(one.variables), _source(one, roles)) for one in found),
    )


def show(
    ctx: typer.Context,
    name: Name,
    variables: Annotated[
        list[str] | None, typer.Option("--variable", metavar="K=V", help="Put it into the prompt; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a role: its prompt, its variables, and the tools that it may use."""
    from ..roles import BadRole

    roles = _roles(ctx)
    try:
        role = roles.find(name)
    except BadRole as error:
        show_problems(error.problems)
        raise typer.Exit(1) from None
    shown = role.filled(read_pairs(variables, "--variable", "tone=dry")) if variables else role
    if as_json:
        typer.echo(json.dumps(_told(shown, roles)))
        return
    typer.secho(f"{role.role} {role.version}", bold=True)
    typer.echo(f"{plain_text(role.description)}\n")
    bounds = {word: getattr(role, word) for word in ("model", "max_tokens", "temperature", "max_iterations", "labels")}
    print_facts({"from": _source(role, roles), **bounds}, width=16)
    typer.secho("\nprompt", bold=True)
    typer.echo(plain_text(shown.system.rstrip()))
    if role.variables:
        typer.secho("\nvariables", bold=True)
        rows = ((word, one.default, one.description) for word, one in role.variables.items())
        print_rows(("name", "default", "what"), rows)
    if role.tools:
        typer.secho("\ntools", bold=True)
        print_rows(("tool", "what it does"), _tools(ctx, role))


def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in product-support.")],
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where the file is written; else `roles.dir`, or here.")
    ] = None,
) -> None:
    """Write NAME.role.yaml, a role to begin with. Never overwrites a file."""
    from ...workflows.role_file import ENDING, read_role

    own = settings_of(ctx).settings.roles.dir
    target = directory or own or Path()
    file = target / f"{name}{ENDING}"
    text = TEMPLATE.format(name=name)
    write_new(file, text, read_role(text, str(file)).problems, f"look at it with `resprout role show {name}`")
    if own is None or target.absolute() != own:
        typer.echo(f"workers find it when the setting `roles.dir` is {target.absolute()}")


def _roles(ctx: typer.Context) -> "Roles":
    from ..roles import Roles

    return Roles(settings_of(ctx).settings.roles.dir)


def _source(role: "RoleFile", roles: "Roles") -> str:
    return "ships" if roles.is_shipped(role.role) else str(roles.files()[role.role])


def _told(role: "RoleFile", roles: "Roles") -> dict[str, Any]:
    return {**role.model_dump(mode="json"), "from": _source(role, roles)}


def _tools(ctx: typer.Context, role: "RoleFile") -> "list[tuple[str, str]]":
    from ..known_tools import known_tools

    toolbox = known_tools(settings_of(ctx).settings)
    return [(reference, _does(reference, toolbox)) for reference in role.tools]


def _does(reference: str, toolbox: "Toolbox") -> str:
    from ...actors.errors import Rejected

    if "*" in reference.partition("@")[0]:
        return "all that have such a name when a run begins"
    try:
        return toolbox.find(reference).manifest.description.partition("\n")[0]
    except Rejected:
        return "not known here: an imported one, or none (see `resprout tool list`)"
