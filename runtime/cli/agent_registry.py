"""`resprout agent kinds | find | hosts | catalogue`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...actors.errors import ConfigError, Rejected
from .flags import settings_of
from .queries import query

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Capability = Annotated[str | None, typer.Option("--capability", help="Only those that can do this.")]
Labels = Annotated[list[str] | None, typer.Option("--label", metavar="K=V", help="Only those with this label.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only this kind.")]


def register(agent: typer.Typer) -> None:
    for command in (kinds, find, hosts, catalogue):
        agent.command(command.__name__)(command)


def kinds(ctx: typer.Context, capability: Capability = None, label: Labels = None, as_json: AsJson = False) -> None:
    """List the kinds of agents that hosts run, and what they can do."""
    from ...memory.registry import Registry, Wanted

    wanted = Wanted(capability=capability, labels=_labels(label))
    found = query(ctx, lambda database: Registry(database).kinds(wanted))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found], default=str))
        return
    table = Table("kind", "version", "health", "capabilities", "handles", box=None, header_style="bold")
    for row in found:
        names = ", ".join(one["name"] for one in row.described["capabilities"])
        table.add_row(row.kind, str(row.version), row.health, escape(names), ", ".join(row.described["handlers"]))
    Console().print(table)


def find(
    ctx: typer.Context,
    capability: Capability = None,
    kind: Kind = None,
    label: Labels = None,
    health: Annotated[str | None, typer.Option("--health", help="healthy, stale or quarantined.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Find agents by what they can do, their kind, labels and health."""
    from ...memory.registry import Health, Registry, Wanted

    if health not in (None, "healthy", "stale", "quarantined"):
        raise Rejected(f"--health {health!r} is not one of healthy, stale, quarantined.")
    wanted = Wanted(kind, capability, _labels(label), cast("Health | None", health))
    found = query(ctx, lambda database: Registry(database).find(wanted, limit=limit))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found]))
        return
    table = Table("agent", "health", "capabilities", "labels", box=None, header_style="bold")
    for row in found:
        labels = " ".join(f"{name}={value}" for name, value in row.labels.items())
        table.add_row(escape(row.agent), row.health, escape(", ".join(row.capabilities)), escape(labels))
    Console().print(table)


def hosts(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the hosts that agents live on: their shares, and how long their leases last."""
    from ...memory.registry import Registry

    found = query(ctx, lambda database: Registry(database).hosts())
    if as_json:
        rows = [{**row, "lease_left": row["lease_left"].total_seconds()} for row in found]
        typer.echo(json.dumps(rows, default=str))
        return
    table = Table("host", "pool", "pid", "shards", "lease", "address", box=None, header_style="bold")
    for row in found:
        left = row["lease_left"].total_seconds()
        state = "draining" if row["draining"] else f"{left:.1f} s" if row["alive"] else f"ended {-left:.0f} s ago"
        table.add_row(row["name"], row["pool"] or "shared", str(row["pid"]), str(row["shards"]), state, row["address"])
    Console().print(table)


def catalogue(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it here.")] = None,
) -> None:
    """Print all message types and agent kinds with their JSON Schemas, those of `agents.modules` included."""
    from ...actors.catalogue import catalogue as known
    from ..agent_modules import import_agents

    import_agents(settings_of(ctx).settings.agents)
    text = json.dumps(known(), indent=2)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n")
    except OSError as error:
        raise ConfigError(f"--output {output} cannot be written: {error.strerror}.") from None
    typer.echo(f"written to {output}")


def _labels(given: list[str] | None) -> dict[str, str]:
    labels = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise Rejected(f"--label {text!r} is not K=V.")
        labels[name] = value
    return labels
