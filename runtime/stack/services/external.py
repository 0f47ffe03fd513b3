"""A server that somebody else runs: not started, not stopped, only looked at."""

from collections.abc import Awaitable, Callable

from ....actors.errors import ResproutError
from ..paths import StackPaths
from ..service import Service, Unwell

Check = Callable[[], Awaitable[object]]


class ExternalService(Service):
    def __init__(self, paths: StackPaths, name: str, endpoint: str, check: Check) -> None:
        super().__init__(paths, endpoint=endpoint, version="external")
        self.name = name
        self.check = check

    def command(self) -> None:
        return None

    async def probe(self) -> None:
        try:
            await self.check()
        except ResproutError as error:
            raise Unwell(str(error)) from None
