"""A host of this process behind its own socket, and a caller that comes through it."""

import asyncio
from dataclasses import replace
from typing import Any

from resprout.actors.calls import Caller
from resprout.actors.delivery import Delivery
from resprout.actors.shards import View
from resprout.runtime.connections import Connections, now
from resprout.runtime.host_server import CallerConnection, HostServer
from support.waiting import until

SECRET = "open sesame"


class Wired:
    def __init__(self, delivery: Delivery, server: HostServer, address: str) -> None:
        self.delivery = delivery
        self.server = server
        self.address = address
        self.connections = Connections(self, now)
        self.caller = Caller(self.connections, now)

    @classmethod
    async def of(cls, delivery: Delivery) -> "Wired":
        await until(lambda: len(delivery.holdings.which_are("open")) >= 128)
        server = HostServer(delivery, SECRET, _no_questions)
        return cls(delivery, server, await server.open("127.0.0.1"))

    async def find(self) -> tuple[str, View]:
        view = self.delivery.holdings.view
        hosts = {id: replace(host, address=self.address) for id, host in view.hosts.items()}  # noqa: A001
        return SECRET, replace(view, hosts=hosts)

    async def stranger(self, **limits: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        name, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(name, int(port), **limits)

    def of_host(self) -> CallerConnection:
        """The host's side of the one connection."""
        (connection,) = self.server.connections
        return connection

    def close(self) -> None:
        self.connections.close()
        self.server.server.close()


async def _no_questions(question: dict[str, Any]) -> Any:
    raise AssertionError(f"nobody asks {question}")
