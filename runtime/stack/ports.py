"""Ports for the embedded servers: the usual one when free, another when not, the asked-for one or none.

A port is chosen before its server binds it, so two stacks that start together could choose the same one. Each
therefore holds a lock file for every port it has chosen, for as long as it runs. Ports are the machine's, so the files
are where all on it look, whatever TMPDIR says.
"""

import errno
import fcntl
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ...actors.errors import StackError

LOOPBACK = "127.0.0.1"
LOCKS = Path("/tmp/resprout-ports")


@dataclass
class PortLeases:
    held: dict[int, int] = field(default_factory=dict)

    def take(self, name: str, *, asked: int | None, usual: int, last: int | None, host: str = LOOPBACK) -> int:
        if asked is not None:
            if not self._try(asked, host):
                raise StackError(
                    f"port {asked}, asked for by `{name}`, is taken{by_whom(asked)}. "
                    "Free it, ask for another, or leave the setting out and a free one is chosen."
                )
            return asked
        candidates: list[int | None] = [last, usual, *range(usual + 10, usual + 60, 10)]
        for port in candidates:
            if port is not None and self._try(port, host):
                return port
        return self._any(host)

    def release(self) -> None:
        for descriptor in self.held.values():
            os.close(descriptor)
        self.held.clear()

    def _any(self, host: str) -> int:
        for _ in range(100):
            with socket.socket(_family(host)) as probe:
                probe.bind((host, 0))
                port: int = probe.getsockname()[1]
            if self._try(port, host):
                return port
        raise StackError("no free port could be found on this machine.")

    def _try(self, port: int, host: str) -> bool:
        """Whether the port was free and is ours now. StackError if none could be had at this host."""
        if port in self.held:
            return False
        descriptor = _lock_file(port)
        try:
            if descriptor is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = not _is_taken(host, port)
        except BlockingIOError:  # another stack has chosen it
            is_free = False
        except BaseException:
            _close(descriptor)
            raise
        if is_free and descriptor is not None:
            self.held[port] = descriptor
        elif not is_free:
            _close(descriptor)
        return is_free


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _is_taken(host: str, port: int) -> bool:
    error = refusal(host, port)
    if error is None or error.errno == errno.EADDRINUSE:
        return error is not None
    raise StackError(
        f"{host} port {port} cannot be listened on: {error.strerror or error}. "
        "Mend `gateway.host`, or ask for a port from 1024 on."
    )


def refusal(host: str, port: int) -> OSError | None:
    """Why a server could not listen there now; None if it could."""
    try:
        with socket.socket(_family(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
            probe.bind((host, port))
    except OSError as error:
        return error
    except TypeError:  # a name that cannot be encoded
        return OSError(errno.EINVAL, "it is not the name of a host")
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _lock_file(port: int) -> int | None:
    """None where another user's stack made the file: then the port is only seen to be free, not held."""
    try:
        LOCKS.mkdir(exist_ok=True)
        if LOCKS.stat().st_uid == os.getuid():
            LOCKS.chmod(0o1777)
        return os.open(LOCKS / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None


def by_whom(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    return ""
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""
