"""`resprout team list | show | new`: the teams that ship, and flows of one's own that begin as one of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .file_new import write_new
from .queries import print_rows
from .run_options import AsJson

if TYPE_CHECKING:
    from ...workflows.flow import Flow

Name = Annotated[str, typer.Argument(metavar="NAME", help="As in debate, or team/debate.")]


def register(app: typer.Typer) -> None:
    team = typer.Typer(no_args_is_help=True, help="Teams of agents: list, look, begin one of your own.")
    for command in (list_, show, new):
        team.command(command.__name__.rstrip("_"))(command)
    app.add_typer(team, name="team")


def list_(as_json: AsJson = False) -> None:
    """List the teams that ship."""
    from ..teams import PREFIX, teams

    found = [_flow(name) for name in teams()]
    if as_json:
        typer.echo(json.dumps([_told(one) for one in found]))
        return
    print_rows(
        ("team", "what it does", "inputs"),
        ((f"{PREFIX}{one.name}", one.flow.description, ", ".join(one.inputs)) for one in found),
    )


def show(name: Name, as_json: AsJson = False) -> None:
    """Show a team: what it is given, what it gives, and its flow as a Mermaid graph."""
    from ...workflows.flow.mermaid import mermaid
    from ..teams import PREFIX

    flow = _flow(name)
    if as_json:
        typer.echo(json.dumps({**_told(flow), "graph": mermaid(flow)}))
        return
    typer.secho(f"{PREFIX}{flow.name} {flow.flow.version}", bold=True)
    typer.echo(f"{flow.flow.description}\n")
    print_rows(("input", "default", "what"), _inputs(flow))
    typer.echo(f"\ngives {', '.join(flow.outputs or {})}\n")
    typer.echo(mermaid(flow), nl=False)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of your team, as in release-crew.")],
    of: Annotated[str, typer.Option("--from", "-f", help="The team that it begins as.")] = "round-robin",
    directory: Annotated[Path, typer.Option("--directory", help="Where the file is written.")] = Path(),
) -> None:
    """Write NAME.flow.yaml, a team that ships as a flow of your own, to change. Never overwrites a file."""
    from ...workflows.flow import read
    from ..teams import ENDING, team_file

    shipped = team_file(of)
    known = shipped.name.removesuffix(ENDING)
    text = shipped.read_text(encoding="utf-8").replace(f"name: {known}\n", f"name: {name}\n", 1)
    file = directory / f"{name}{ENDING}"
    write_new(file, text, read(text, str(file)).problems, f"run it with `resprout run {file} -i goal=…`")


def _flow(name: str) -> "Flow":
    from ...workflows.flow import read
    from ..teams import team_file

    file = team_file(name)
    flow = read(file.read_text(encoding="utf-8"), str(file)).flow
    assert flow is not None
    return flow


def _told(flow: "Flow") -> dict[str, Any]:
    inputs = {word: one.model_dump(mode="json", exclude_unset=True) for word, one in flow.inputs.items()}
    about = flow.flow.model_dump(mode="json", exclude={"name"})
    return {"team": flow.name, **about, "inputs": inputs, "outputs": list(flow.outputs or {})}


def _inputs(flow: "Flow") -> Iterator[tuple[str, str, str]]:
    for word, one in flow.inputs.items():
        default = "required" if one.required else json.dumps(one.default, ensure_ascii=False)
        yield word, default, one.description or ""
