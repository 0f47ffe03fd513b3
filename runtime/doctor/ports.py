"""The ports of the embedded servers: a usual one that is taken is no harm, an asked-for one is."""

import socket

from ..settings import Settings
from ..stack import state
from ..stack.paths import StackPaths
from ..stack.ports import by_whom
from .finding import Finding, failure, ok

USUAL = {("temporal", "port"): 7233, ("temporal", "ui_port"): 8233, ("ray", "port"): 6379, ("gateway", "port"): 8080}


def check(settings: Settings) -> list[Finding]:
    stack = state.read(StackPaths.of(settings.data_dir))
    ours = set(stack.ports.values()) if stack else set()
    findings = []
    for (section, name), usual in USUAL.items():
        asked = getattr(getattr(settings, section), name)
        port = asked or usual
        if _free(port):
            findings.append(ok(f"port {port}", f"free (`{section}.{name}`)"))
        elif port in ours:
            findings.append(ok(f"port {port}", f"used by this stack (`{section}.{name}`)"))
        elif asked is None:
            findings.append(ok(f"port {port}", f"taken{by_whom(port)}; `{section}.{name}` will use another"))
        else:
            findings.append(
                failure(
                    f"port {port}",
                    f"asked for by `{section}.{name}`, and taken{by_whom(port)}",
                    "Free it, ask for another, or leave the setting out.",
                )
            )
    return findings


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
