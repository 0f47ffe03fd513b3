"""`resprout agent kinds | find | hosts | catalogue`: what there is, what it can do, and how it is."""

import json
import shlex
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from ...actors.address import AgentAddress
from ...actors.errors import ConfigError, Rejected
from .agent_options import After, AsJson, Capability, Kind, Labels, Limit, read_labels
from .flags import settings_of
from .queries import print_json, print_rows, query, refuse_unknown_kind

Health = Literal["healthy", "stale", "quarantined"]
HEALTHS: tuple[Health, ...] = get_args(Health)


def register(agent: typer.Typer) -> None:
    for command in (kinds, find, hosts, catalogue):
        agent.command(command.__name__)(command)


def kinds(
    ctx: typer.Context,
    kind: Kind = None,
    capability: Capability = None,
    label: Labels = None,
    as_json: AsJson = False,
) -> None:
    """List the kinds that hosts run. One that no host has named for 30 s is stale, and forgotten after a day."""
    from ...memory.registry import Registry

    labels = read_labels(label)
    found = query(ctx, lambda database: Registry(database).kinds(kind=kind, capability=capability, labels=labels))
    if not found and kind is not None:
        refuse_unknown_kind(ctx, kind)
    if as_json:
        print_json(found)
        return
    print_rows(
        ("kind", "version", "status", "handles", "capabilities", "labels", "description"),
        (
            (
                r.kind,
                r.version,
                "stale" if r.stale else "seen",
                ", ".join(r.described["handlers"]),
                ", ".join(one["name"] for one in r.described["capabilities"]),
                _pairs(r.described["labels"]),
                r.described["description"],
            )
            for r in found
        ),
    )


def find(
    ctx: typer.Context,
    kind: Kind = None,
    capability: Capability = None,
    label: Labels = None,
    health: Annotated[str | None, typer.Option("--health", help="healthy, stale or quarantined.")] = None,
    after: After = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Find agents by what they can do and how they are. Stale: no living host has them now."""
    from ...memory.registry import Registry

    labels, begin = read_labels(label), AgentAddress.parse(after) if after else ("", "")
    wanted = _health(health) if health is not None else None
    found = query(
        ctx,
        lambda database: Registry(database).find(
            kind=kind, capability=capability, labels=labels, health=wanted, after=begin, limit=limit
        ),
    )
    if not found and kind is not None:
        refuse_unknown_kind(ctx, kind)
    if as_json:
        print_json(found)
        return
    print_rows(
        ("agent", "health", "turns", "last turn", "capabilities", "labels", "reason"),
        (
            (r.agent, r.health, r.turns, r.updated_at, ", ".join(r.capabilities), _pairs(r.labels), r.reason)
            for r in found
        ),
    )
    if len(found) == limit:
        typer.echo(f"There may be more: --after {shlex.quote(found[-1].agent)}", err=True)


def hosts(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also those whose lease ran out in the last day.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the hosts with their shards and leases."""
    from ...memory.registry import Registry

    known = query(ctx, lambda database: Registry(database).hosts())
    found = [r for r in known if r.alive or all_]
    if as_json:
        rows = [{**asdict(r), "lease_left": r.lease_left.total_seconds(), "alive": r.alive} for r in found]
        typer.echo(json.dumps(rows, default=str))
        return
    print_rows(
        ("id", "name", "node", "pool", "shards", "lease left", "draining", "health"),
        (
            (
                r.id,
                r.name,
                r.node[:12],
                r.pool or "shared",
                r.shards,
                _lease(r.lease_left),
                r.draining,
                "alive" if r.alive else "stale",
            )
            for r in found
        ),
    )
    if len(found) < len(known):
        typer.echo(f"{len(known) - len(found)} more lost their lease in the last day: --all", err=True)


def catalogue(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """All message types and agent kinds that are known here, as JSON Schema. Needs no stack."""
    from ...actors import catalogue as catalogues
    from ..agent_modules import import_agents

    import_agents(settings_of(ctx).settings.agents)
    text = json.dumps(catalogues.catalogue(), indent=2)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n")
    except OSError as error:
        raise ConfigError(f"--output {output} cannot be written: {error.strerror}.") from None
    typer.echo(f"wrote {output}", err=True)


def _health(text: str) -> Health:
    for known in HEALTHS:
        if text == known:
            return known
    raise Rejected(f"--health {text!r} is not one of {', '.join(HEALTHS)}.")


def _lease(left: timedelta) -> str:
    seconds = left.total_seconds()
    return f"{seconds:.1f} s" if seconds > 0 else f"ran out {-seconds:.0f} s ago"


def _pairs(labels: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())
