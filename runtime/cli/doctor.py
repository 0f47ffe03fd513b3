"""`resprout doctor`."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from .flags import settings_of

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failure": "[red]✗[/]"}


def doctor(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False
) -> None:
    """Check this machine and the configuration, and say what to do. Exit code 1 if something must be mended."""
    from ..doctor import examine

    findings = asyncio.run(examine(settings_of(ctx).settings))
    healthy = all(finding.level != "failure" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": healthy, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        console = Console()
        for finding in findings:
            console.print(f"{MARKS[finding.level]} {finding.name}: ", end="")
            console.print(finding.found, markup=False, highlight=False, soft_wrap=True)
            if finding.remedy:
                console.print(f"    → {finding.remedy}", style="dim", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if healthy else 1)
