"""Ports of this machine for servers of a test."""

import random
import socket
from contextlib import suppress

OURS = range(20_000, 30_000)  # the kernel gives these to nobody who asks for any, and no server of a stack has them


def free_port() -> int:
    """On which nothing listens, and which hardly anybody takes before a server does that begins a little later."""
    for port in random.sample(OURS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is no free port")
