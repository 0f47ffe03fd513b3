"""How a stack looks: the table of its services, the progress of its start, its JSON."""

import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.spinner import Spinner
from rich.table import Column, Table
from rich.text import Text

from ...memory.database import redacted
from ..stack.state import ServiceState, StackState

STYLES = {
    "healthy": "green",
    "unhealthy": "red",
    "restarting": "yellow",
    "starting": "yellow",
}
SECRETS = ("auth_token", "api_key")


def console() -> Console:
    """Wide where nobody looks at a terminal: a log or a pipe must not lose the end of an address.

    Without markup: a path, an address or the words of a server may hold brackets.
    """
    return Console(width=None if sys.stdout.isatty() else 220, markup=False, emoji=False)


def table(state: StackState) -> Table:
    view = Table(
        "service",
        "status",
        Column("endpoint", overflow="fold"),
        "pid",
        "uptime",
        "restarts",
        "version",
        box=None,
        header_style="bold",
    )
    now = datetime.now(UTC)
    for service in state.services:
        status = Text(service.status, style=STYLES.get(service.status, "dim"))
        if service.detail:
            status.append(f" ({service.detail})", style="dim")
        view.add_row(
            service.name,
            status,
            service.endpoint or "",
            str(service.pid or ""),
            _age(_uptime(service, now)),
            str(service.restarts) if not service.external else "",
            service.version or "",
        )
        for instance in service.instances:
            view.add_row(
                f"  {instance.name.rpartition('/')[2]}",
                "",
                "",
                str(instance.pid),
                "",
                str(instance.restarts),
                "",
            )
    return view


def progress(state: StackState) -> RenderableType:
    marks: list[RenderableType] = []
    for service in state.services:
        if service.status == "healthy":
            marks.append(Text(f"✓ {service.name}  {service.endpoint or ''}", style="green"))
        elif service.status == "waiting":
            marks.append(Text(f"· {service.name}", style="dim"))
        else:
            marks.append(Spinner("dots", Text(f"{service.name}  {service.status} {service.detail or ''}")))
    return Group(*marks)


def summary(state: StackState) -> Text:
    text = Text()
    if state.seconds_to_healthy is not None and state.healthy:
        text.append(f"All healthy after {state.seconds_to_healthy} s. ", style="green")
    elif state.phase == "starting":
        text.append("Starting. ", style="yellow")
    if url := state.settings.get("temporal.ui_url"):
        text.append(f"Temporal UI: {url}  ")
    return text.append("Try: resprout run hello", style="dim")


def as_json(state: StackState, now: datetime) -> dict[str, Any]:
    services = []
    for service in state.services:
        entry = service.model_dump(mode="json")
        entry["uptime_seconds"] = _uptime(service, now)
        services.append(entry)
    endpoints = {name: value for name, value in state.settings.items() if not name.endswith(SECRETS)}
    if "postgres.dsn" in endpoints:
        endpoints["postgres.dsn"] = redacted(endpoints["postgres.dsn"])
    return {
        "running": True,
        "healthy": state.healthy,
        "phase": state.phase,
        "data_dir": str(state.data_dir),
        "pid": state.pid,
        "version": state.version,
        "started_at": state.started_at.isoformat(),
        "seconds_to_healthy": state.seconds_to_healthy,
        "ports": state.ports,
        "endpoints": endpoints,
        "services": services,
    }


def _uptime(service: ServiceState, now: datetime) -> float | None:
    if service.started_at is None or service.pid is None:
        return None
    return round((now - service.started_at).total_seconds(), 1)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
