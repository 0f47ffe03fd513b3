"""`resprout doctor`."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ..doctor import Group

from .flags import settings_of

MARKS = {"ok": Text("✓", "green"), "warning": Text("!", "yellow"), "failure": Text("✗", "red")}
UNBROKEN = 10_000  # columns: what is piped into grep must not be wrapped


def doctor(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False
) -> None:
    """Check this machine and the configuration, and say what to do. Exit code 1 if something must be mended."""
    from ..doctor import examine

    groups = asyncio.run(examine(settings_of(ctx).settings))
    findings = [finding for group in groups for finding in group.findings]
    healthy = all(finding.level != "failure" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": healthy, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _show(groups)
    raise typer.Exit(0 if healthy else 1)


def _show(groups: "list[Group]") -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group in groups:
        table.add_row("", Text(group.title, "bold"), "")
        for finding in group.findings:
            # Text, not str: what was found may hold brackets, which are not markup.
            table.add_row(MARKS[finding.level], Text(finding.name), Text(finding.found))
            if finding.remedy:
                table.add_row("", "", Text(f"→ {finding.remedy}", "dim"))
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    console.width = UNBROKEN
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())
