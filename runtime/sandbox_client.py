"""Sandboxes from Python, as a part of a client: single runs, and workspaces.

    result = await client.sandboxes.run(language="python", code="print(6 * 7)")
    box = await client.sandboxes.create("box", language="python")
    await box.exec("pip --version")
    async with box.expose(8000) as url: ...

They run where this process is: it needs the engine, and for what is kept or runs once, the Postgres of the stack.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..actors.errors import BadArgument, ClientClosed
from ..actors.words import sentence
from .settings import Settings, load
from .stack.find import attach

if TYPE_CHECKING:
    from ..activities.sandbox.backend import Watch
    from ..activities.sandbox.docker.transfer import Entry
    from ..activities.sandbox.result import SandboxResult
    from ..activities.sandbox.sandboxes import Sandboxes
    from ..activities.sandbox.spec import SandboxSpec
    from ..activities.sandbox.workspace import Workspace, WorkspaceSpec
    from ..activities.sandbox.workspace_files import Copied, WorkspaceFiles
    from ..activities.sandbox.workspace_snapshots import WorkspaceSnapshots
    from ..activities.sandbox.workspaces import Workspaces
    from ..memory.snapshots import Snapshot

Words = TypeVar("Words", bound=BaseModel)


class SandboxClient:
    def __init__(self, settings: Settings | None, tenant: str) -> None:
        self._settings = settings
        self._tenant = tenant
        self._opening = asyncio.Lock()
        self._opened: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._is_closed = False

    async def run(
        self, spec: "SandboxSpec | None" = None, *, key: str | None = None, watch: "Watch | None" = None, **words: Any
    ) -> "SandboxResult":
        """One run, of a spec or of its words. With a key, it runs once: the same key gives the same result.

        A large file `is_aside` when its content is not kept any more.
        """
        from ..activities.sandbox.aside import whole
        from ..activities.sandbox.backend import unwatched
        from ..activities.sandbox.sandboxes import key_of
        from ..activities.sandbox.spec import SandboxSpec

        boxes = await self._sandboxes(recorded=key is not None)
        key = None if key is None else key_of(self._tenant, key)
        ran = await boxes.run(_spec(SandboxSpec, spec, words), key, self._tenant, watch or unwatched)
        return await whole(ran, boxes.fetch)

    async def create(self, name: str, spec: "WorkspaceSpec | None" = None, **words: Any) -> "WorkspaceRef":
        """A sandbox that stays. The same name and words again give the same one."""
        from ..activities.sandbox.workspace import WorkspaceSpec

        await (await self.workspaces()).create(name, _spec(WorkspaceSpec, spec, words))
        return WorkspaceRef(self, name)

    async def get(self, name: str) -> "WorkspaceRef":
        """Raises NotFound, naming the nearest."""
        await (await self.workspaces()).get(name)
        return WorkspaceRef(self, name)

    async def list(self) -> "Sequence[Workspace]":
        return await (await self.workspaces()).list()

    async def snapshots(self) -> "Sequence[Snapshot]":
        """The newest first."""
        return await (await self.kept()).list()

    async def remove_snapshot(self, name: str) -> None:
        await (await self.kept()).remove(name)

    async def restore(self, snapshot: str, name: str | None = None) -> "WorkspaceRef":
        """Into the workspace of this name, made when it is not there; by default, where the snapshot is from."""
        return WorkspaceRef(self, (await (await self.kept()).restore(snapshot, name)).name)

    async def workspaces(self) -> "Workspaces":
        from .sandboxes import workspaces

        def opened() -> Any:
            return workspaces(attach(self._settings or load().settings, "postgres.dsn"), self._tenant)

        found: Workspaces = await self._once("workspaces", opened)
        return found

    async def files(self) -> "WorkspaceFiles":
        from ..activities.sandbox.workspace_files import WorkspaceFiles

        return WorkspaceFiles(await self.workspaces())

    async def kept(self) -> "WorkspaceSnapshots":
        from ..activities.sandbox.workspace_snapshots import WorkspaceSnapshots

        return WorkspaceSnapshots(await self.workspaces())

    async def close(self) -> None:
        self._is_closed = True
        await self._stack.aclose()

    async def _sandboxes(self, *, recorded: bool) -> "Sandboxes":
        from .sandboxes import sandboxes

        def opened() -> Any:
            settings = self._settings or load().settings
            return sandboxes(attach(settings, "postgres.dsn") if recorded else settings, recorded=recorded)

        found: Sandboxes = await self._once(f"sandboxes, recorded: {recorded}", opened)
        return found

    async def _once(self, what: str, opened: Any) -> Any:
        async with self._opening:
            if self._is_closed:
                raise ClientClosed("this client is closed: open another with `Client.connect()`.")
            if what not in self._opened:
                self._opened[what] = await self._stack.enter_async_context(opened())
            return self._opened[what]


@dataclass(frozen=True)
class WorkspaceRef:
    """A workspace by its name. Nothing is held: it stays when this goes, until it is removed or nobody uses it."""

    client: SandboxClient
    name: str

    async def exec(
        self,
        run: str | Sequence[str] | None = None,
        *,
        code: str | None = None,
        key: str | None = None,
        timeout: timedelta | str | None = None,
        env: Mapping[str, str | int | float | bool] | None = None,
        secrets: Mapping[str, str] | None = None,
        cwd: str = ".",
        stdin: str | None = None,
        watch: "Watch | None" = None,
    ) -> "SandboxResult":
        """A command line for the shell, or the list of its words; or code in the workspace's language."""
        from ..activities.sandbox.backend import unwatched

        words: dict[str, Any] = {
            "run": run if run is None or isinstance(run, str) else tuple(run),
            "code": code,
            "timeout": timeout,
            "env": dict(env) if env is not None else None,
            "secrets": dict(secrets) if secrets is not None else None,
            "cwd": cwd,
            "stdin": stdin,
        }
        said = {word: value for word, value in words.items() if value is not None}
        return await (await self.client.workspaces()).run(self.name, said, key, watch or unwatched)

    async def begin(self, run: str | Sequence[str], *, key: str | None = None, **words: Any) -> str:
        """Leaves a command running; the key is what `exec` with the same words comes back to it by, and `end` ends."""
        said = {"run": run if isinstance(run, str) else tuple(run), **words}
        return await (await self.client.workspaces()).begin(self.name, said, key)

    async def end(self, key: str) -> None:
        """A command that was left running, with all that it started."""
        await (await self.client.workspaces()).end(self.name, key)

    async def describe(self) -> "Workspace":
        return await (await self.client.workspaces()).get(self.name)

    async def upload(self, local: str | Path, path: str = ".") -> "Copied":
        """A file or directory of this machine; afterwards all of it is there, or nothing."""
        return await (await self.client.files()).upload(Path(local), self.name, path)

    async def download(self, path: str, local: str | Path = ".") -> "Copied":
        return await (await self.client.files()).download(self.name, path, Path(local))

    async def write(self, path: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        await (await self.client.files()).write(self.name, path, data)

    async def read(self, path: str) -> bytes:
        return await (await self.client.files()).read(self.name, path)

    async def files(self, path: str = ".", *, deep: bool = False) -> "Sequence[Entry]":
        return await (await self.client.files()).list(self.name, path, deep=deep)

    async def snapshot(self, name: str | None = None) -> "Snapshot":
        return await (await self.client.kept()).take(self.name, name)

    async def restore(self, snapshot: str) -> None:
        """The files of the snapshot take the place of those that are there."""
        await (await self.client.kept()).restore(snapshot, self.name)

    async def pause(self) -> None:
        await (await self.client.workspaces()).pause(self.name)

    async def resume(self) -> None:
        await (await self.client.workspaces()).resume(self.name)

    async def remove(self) -> None:
        await (await self.client.workspaces()).remove(self.name)

    @asynccontextmanager
    async def expose(self, port: int) -> AsyncIterator[str]:
        """The URL at which this user's processes, and no others, reach the port. It ends with the block."""
        workspaces = await self.client.workspaces()
        async with workspaces.port(self.name, port) as opened, opened.on_loopback() as number:
            yield f"http://127.0.0.1:{number}"


def _spec(kind: type[Words], spec: Words | None, words: Mapping[str, Any]) -> Words:
    if spec is not None and words:
        raise BadArgument(f"give a {kind.__name__} or its words, not both: leave out {', '.join(words)}.")
    if spec is not None:
        return spec
    try:
        return kind.model_validate(dict(words))
    except ValidationError as error:
        raise BadArgument(sentence(error, kind)) from None
