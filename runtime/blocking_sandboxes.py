"""Sandboxes for code without a loop: `client.sandboxes` of a blocking client."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

from .blocking_client import LoopInThread
from .sandbox_client import SandboxClient, WorkspaceRef

P = ParamSpec("P")


class BlockingSandboxes:
    def __init__(self, client: SandboxClient, thread: LoopInThread) -> None:
        self._thread = thread
        self.run = thread.blocking(client.run)
        self.create = self._giving_a_workspace(client.create)
        self.get = self._giving_a_workspace(client.get)
        self.restore = self._giving_a_workspace(client.restore)
        self.list = thread.blocking(client.list)
        self.snapshots = thread.blocking(client.snapshots)
        self.remove_snapshot = thread.blocking(client.remove_snapshot)

    def _giving_a_workspace(self, call: Callable[P, Awaitable[WorkspaceRef]]) -> "Callable[P, BlockingWorkspace]":
        def giving_a_workspace(*args: P.args, **options: P.kwargs) -> BlockingWorkspace:
            return BlockingWorkspace(self._thread.blocking(call)(*args, **options), self._thread)

        return wraps(call)(giving_a_workspace)


class BlockingWorkspace:
    def __init__(self, ref: WorkspaceRef, thread: LoopInThread) -> None:
        self.name = ref.name
        self._ref = ref
        self._thread = thread
        self.exec = thread.blocking(ref.exec)
        self.begin = thread.blocking(ref.begin)
        self.end = thread.blocking(ref.end)
        self.describe = thread.blocking(ref.describe)
        self.upload = thread.blocking(ref.upload)
        self.download = thread.blocking(ref.download)
        self.write = thread.blocking(ref.write)
        self.read = thread.blocking(ref.read)
        self.files = thread.blocking(ref.files)
        self.snapshot = thread.blocking(ref.snapshot)
        self.restore = thread.blocking(ref.restore)
        self.pause = thread.blocking(ref.pause)
        self.resume = thread.blocking(ref.resume)
        self.remove = thread.blocking(ref.remove)

    @contextmanager
    def expose(self, port: int) -> Iterator[str]:
        """The URL at which this user's processes, and no others, reach the port. It ends with the block."""
        exposed = self._ref.expose(port)
        url = self._thread.wait(exposed.__aenter__())
        try:
            yield url
        finally:
            self._thread.wait(exposed.__aexit__(None, None, None))
