"""The ports of the embedded servers: a usual one that is taken is no harm, an asked-for one is."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from ...actors.errors import StackError
from ..model_server.serving import USUAL_PORT, missing
from ..settings import Settings
from ..stack import state
from ..stack.paths import StackPaths
from ..stack.ports import LOOPBACK, by_whom, refusal
from .finding import Finding, failure, ok


@dataclass(frozen=True)
class Wanted:
    setting: str
    asked: int | None
    usual: int
    host: str = LOOPBACK


def check(settings: Settings) -> list[Finding]:
    ours = _of_running_stack(settings)
    findings = []
    asked: dict[int, str] = {}
    for port in wanted(settings):
        if port.asked is not None and port.asked in asked:
            findings.append(
                failure(
                    f"port {port.asked}",
                    f"asked for by both `{asked[port.asked]}` and `{port.setting}`",
                    "Give each its own, or leave one out.",
                )
            )
            continue
        if port.asked is not None:
            asked[port.asked] = port.setting
        findings.append(_look(port, ours))
    return findings


def wanted(settings: Settings) -> list[Wanted]:
    """The ports that `resprout up` would choose: a server that is configured elsewhere needs none here."""
    ports = []
    if settings.temporal.address is None:
        ports.append(Wanted("temporal.port", settings.temporal.port, 7233))
        ports.append(Wanted("temporal.ui_port", settings.temporal.ui_port, 8233))
    if settings.ray.address is None:
        ports.append(Wanted("ray.port", settings.ray.port, 6379))
    if settings.models.local.url is None and missing(settings.models.local.weights) is None:
        ports.append(Wanted("models.local.port", settings.models.local.port, USUAL_PORT))
    ports.append(Wanted("gateway.port", settings.gateway.port, 8080, settings.gateway.host))
    return ports


def _of_running_stack(settings: Settings) -> Mapping[str, int]:
    try:
        stack = state.read(StackPaths.of(settings.data_dir))
    except (PermissionError, StackError):  # somebody else's directory: the disk check says so
        return {}
    return stack.ports if stack else {}


def _look(port: Wanted, ours: Mapping[str, int]) -> Finding:
    """`ours` are the ports of the running stack by setting: it may have chosen others than the usual ones."""
    number = port.asked or ours.get(port.setting, port.usual)
    name = f"port {number}"
    refused = refusal(port.host, number)
    if refused is None:
        return ok(name, f"free (`{port.setting}`)")
    if number in ours.values():
        return ok(name, f"used by this stack (`{port.setting}`)")
    if refused.errno == errno.EADDRINUSE:
        found = f"taken{by_whom(number)}"
        if port.asked is None:
            return ok(name, f"{found}; `{port.setting}` will use another")
        remedy = "Free it, ask for another, or leave the setting out."
        return failure(name, f"asked for by `{port.setting}`, and {found}", remedy)
    reason = f"{port.host} cannot be listened on: {refused.strerror or refused}"
    if port.host != LOOPBACK and refused.errno != errno.EACCES:
        return failure(name, reason, "`gateway.host` must be an address or name of this machine.")
    return failure(name, f"{reason} (`{port.setting}`)", "Ask for a port from 1024 on, or leave the setting out.")
