"""From a listed name to an open connection. A name is looked up once, and the address that was checked is the one that
is dialled: what the name server answers the next time does not matter.
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from ipaddress import ip_address

import psutil

from .addresses import Address, special
from .rules import Refused, Rules, is_address, shown

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
CHUNK = 1 << 16
LOOKUPS = 4  # at once


class Lookups:
    """By this machine's own means. The code in the sandbox can have only listed names looked up.

    In threads of this run's own: a name server that does not answer holds up nobody else's work.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "lookup")

    async def __call__(self, name: str, port: int) -> Sequence[str]:
        look_up = partial(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(answer[4][0]) for answer in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Dialler:
    def __init__(self, rules: Rules, resolve: Resolve, time: timedelta) -> None:
        self._rules = rules
        self._resolve = resolve
        self._time = time.total_seconds()

    async def dial(self, name: str, port: int) -> tuple[StreamReader, StreamWriter, Address]:
        """`name` has been checked to be listed."""
        failure: Exception | None = None
        try:
            async with asyncio.timeout(self._time):
                for address in await self._addresses(name, port):
                    try:
                        return *await asyncio.open_connection(str(address), port, limit=CHUNK), address
                    except OSError as error:
                        failure = error
        except TimeoutError:
            raise Refused(f"`{name}:{port}` did not answer in {self._time:g} s.", 504) from None
        raise Refused(f"`{name}:{port}` could not be reached: {_why(failure)}.", 502) from failure

    async def _addresses(self, name: str, port: int) -> list[Address]:
        """All of them, or none: an answer with one bad address is a bad answer."""
        try:
            answers = [name] if is_address(name) else await self._resolve(name, port)
        except OSError as error:
            raise Refused(f"`{name}` has no address: {_why(error)}.", 502) from error
        addresses = list(dict.fromkeys(ip_address(answer) for answer in answers))
        local = own_addresses()
        for address in addresses:
            found = special(address, local)
            if found is None or (found.can_be_exempt and name in self._rules.exempt):
                continue
            remedy = "an operator can exempt the host" if found.can_be_exempt else "no setting allows this"
            raise Refused(f"`{name}` has the address {shown(str(address))}, which is {found.words}: {remedy}.")
        return addresses


def own_addresses() -> frozenset[Address]:
    """What listens here on all addresses must not be reached by the public one either."""
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = psutil.net_if_addrs().values()
    return frozenset(
        ip_address(given.address) for interface in interfaces for given in interface if given.family in families
    )


def _why(error: Exception | None) -> str:
    return shown(getattr(error, "strerror", None) or str(error or "it has no address")).rstrip(".")
