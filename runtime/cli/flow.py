"""`resprout flow …`: check flow files, draw them, format them, begin new ones. Nothing here needs a stack."""

import json
from collections.abc import Iterator
from dataclasses import replace
from difflib import unified_diff
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...workflows.flow import Flow

from ...actors.errors import Rejected
from . import flow_new
from .problems import doubts, show_problems
from .results import Output, write

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Flow files, directories with some, or patterns.")]


class Format(StrEnum):
    mermaid = "mermaid"
    svg = "svg"


def register(app: typer.Typer) -> None:
    flow = typer.Typer(no_args_is_help=True, help="Flow files: check, draw, format, begin.")
    flow.command("validate")(validate)
    flow.command("graph")(graph)
    flow.command("schema")(schema)
    flow.command("fmt")(fmt)
    flow.command("new")(flow_new.new)
    app.add_typer(flow, name="flow")


def validate(
    ctx: typer.Context,
    files: Files,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Check flow files and the child flows they name. Exit code 1 if there is an error in one.

    Where resprout.toml names agent modules, what these do not know is told as a warning.
    """
    from ..flow_files import flow_files, frozen

    checked = []
    for file in flow_files(files):
        freezing = frozen(file)
        told_too = doubts(ctx, file) if freezing.frozen is not None else ()
        checked.append((file, replace(freezing, problems=(*freezing.problems, *told_too))))
    if as_json:
        told = [
            {
                "file": str(file),
                "ok": result.frozen is not None,
                "hash": result.frozen.hash if result.frozen else None,
                "problems": [problem.as_json() for problem in result.problems],
            }
            for file, result in checked
        ]
        typer.echo(json.dumps({"ok": all(entry["ok"] for entry in told), "files": told}, indent=2))
    else:
        for file, result in checked:
            show_problems(result.problems)
            if result.frozen is not None:
                typer.echo(f"{file}: ok, {_count(sum(1 for _ in result.frozen.flow.every_task()), 'task')}")
    raise typer.Exit(0 if all(result.frozen is not None for _, result in checked) else 1)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def graph(
    file: Annotated[Path, typer.Argument(help="A flow file.")],
    form: Annotated[Format, typer.Option("--format", help="What to draw.")] = Format.mermaid,
    output: Output = None,
) -> None:
    """Draw a flow: every task, what it waits for, and the blocks around it."""
    from ...workflows.flow.drawing import svg
    from ...workflows.flow.mermaid import mermaid

    flow = _flow(file)
    write(svg(flow) if form is Format.svg else mermaid(flow), output)


def _flow(file: Path) -> "Flow":
    from ...workflows.flow import read
    from ..flow_files import flow_path, text_of

    file = flow_path(file)
    if file.is_dir():
        raise Rejected(f"{file} is a directory: give one flow file.")
    reading = read(text_of(file), str(file))
    if reading.flow is None:
        show_problems(reading.errors)
        raise typer.Exit(1)
    return reading.flow


def schema(output: Output = None) -> None:
    """Print the JSON Schema of flow files, by which editors check and complete them."""
    from ...workflows.flow.json_schema import json_schema

    write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", output)


def fmt(
    files: Files,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would change.")] = False,
) -> None:
    """Put the words of flow files into one order and indent them alike. Comments and texts stay as they are."""
    from ...workflows.flow.formatting import formatted
    from ...workflows.flow.yaml_text import from_yaml
    from ..flow_files import flow_files, text_of

    changed = broken = 0
    for file in flow_files(files):
        text = text_of(file)
        source = from_yaml(text, str(file))
        if source.findings:
            broken += 1
            show_problems(tuple(source.problem(finding) for finding in source.findings))
            continue
        new = formatted(text, str(file))
        if new != text:
            changed += 1
            if diff:
                typer.echo("".join(_diff(text, new, str(file))), nl=False)
            elif check:
                typer.echo(f"would change  {file}, first in line {_first_change(text, new)}: see it with --diff")
            else:
                typer.echo(f"formatted  {file}")
                write(new, file)
    raise typer.Exit(1 if broken or ((check or diff) and changed) else 0)


def _diff(old: str, new: str, name: str) -> Iterator[str]:
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    for line in unified_diff(before, after, name, f"{name} (formatted)"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _first_change(old: str, new: str) -> int:
    pairs = zip_longest(old.splitlines(keepends=True), new.splitlines(keepends=True))
    return next(number for number, (before, after) in enumerate(pairs, 1) if before != after)
