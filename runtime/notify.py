"""Telling a supervisor that this process is ready and alive, in systemd's notify protocol.

The same messages serve our own supervisor and systemd's `Type=notify`. Without NOTIFY_SOCKET they go nowhere.
"""

import json
import os
import socket
from typing import Any

STATE_FIELD = "X_RESPROUT_STATE"


def notify(**fields: Any) -> None:
    """`notify(READY=1)`, `notify(WATCHDOG=1, X_RESPROUT_STATE={...})`."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    lines = (
        f"{name}={value if isinstance(value, (str, int)) else json.dumps(value)}" for name, value in fields.items()
    )
    # Not blocking: a supervisor that is stopped must not stop us.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto("\n".join(lines).encode(), "\0" + address[1:] if address[0] == "@" else address)
        except OSError:
            return  # the supervisor is gone or busy: it hears the next one
