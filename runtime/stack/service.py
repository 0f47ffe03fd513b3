"""What the supervisor needs to know of a service: how to start it, how to see that it is well."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import timedelta

import psutil

from .paths import StackPaths
from .process import Command, marked
from .state import InstanceState


class Unwell(Exception):
    """The service does not answer as it should; the text says how, for `status`."""


class Service(ABC):
    name: str
    after: tuple[str, ...] = ()
    # How long a start may take before it counts as failed. Generous: a slow machine is no error.
    patience = timedelta(seconds=90)

    def __init__(self, paths: StackPaths, *, endpoint: str | None, version: str) -> None:
        self.paths = paths
        self.endpoint = endpoint
        self.version = version
        self.metrics: str | None = None
        self.instances: list[InstanceState] = []

    async def prepare(self) -> None:
        """Runs before every start of the process."""

    @abstractmethod
    def command(self) -> Command | None:
        """None for a server that somebody else runs: it is only looked at."""

    @abstractmethod
    async def probe(self) -> None:
        """Returns when the service is well, raises Unwell when it is not."""

    async def ready(self) -> None:
        """Runs once, when the service has become healthy for the first time."""

    async def leave(self) -> None:
        """Runs once, when the stack stops: the process has ended, and what the service stands on still runs."""

    def leftovers(self) -> Iterable[psutil.Process]:
        """What an earlier life of this service may have left running."""
        return marked(self.paths.mark, self.name)
