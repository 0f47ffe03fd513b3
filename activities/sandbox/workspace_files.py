"""Files in and out of workspaces, by paths as `cp` takes them: relative to the working directory, or in `/work`."""

from dataclasses import dataclass
from pathlib import Path

from .docker.transfer import Entry, Progress, Transfer, silent
from .incoming import Incoming
from .outgoing import Outgoing
from .workspace import Workspace, inner_path
from .workspaces import Workspaces

DEEPEST = 32


@dataclass(frozen=True)
class Copied:
    files: int
    size: int
    left_out: tuple[str, ...]  # sentences


@dataclass(frozen=True)
class WorkspaceFiles:
    workspaces: Workspaces

    async def upload(self, local: Path, name: str, path: str = ".", progress: Progress = silent) -> Copied:
        """A file or directory; afterwards all of it is there, or nothing."""
        async with self.workspaces.using(name) as workspace:
            outgoing = Outgoing(workspace.spec.limits.disk)
            await self._transfer(workspace).put(outgoing.pack(local), _target(path), _name(local), progress)
        return Copied(outgoing.files, outgoing.size, tuple(outgoing.left_out))

    async def download(self, name: str, path: str, local: Path, progress: Progress = silent) -> Copied:
        inner = inner_path(path)
        async with self.workspaces.using(name) as workspace:
            incoming = Incoming(2 * workspace.spec.limits.disk)
            called = inner.rpartition("/")[2] if inner != "." else name
            await self._transfer(workspace).get(inner, lambda tar: incoming.unpack(tar, called, local), progress)
        return Copied(incoming.files, incoming.size, tuple(incoming.left_out))

    async def write(self, name: str, path: str, content: bytes) -> None:
        async with self.workspaces.using(name) as workspace:
            outgoing = Outgoing(workspace.spec.limits.disk)
            inner = inner_path(path)
            await self._transfer(workspace).put(outgoing.content(content), inner, inner.rpartition("/")[2])

    async def read(self, name: str, path: str) -> bytes:
        inner = inner_path(path)
        async with self.workspaces.using(name) as workspace:
            incoming = Incoming(workspace.spec.limits.disk)
            return await self._transfer(workspace).get(inner, lambda tar: incoming.content(tar, inner))

    async def list(self, name: str, path: str = ".", *, deep: bool = False) -> list[Entry]:
        inner = inner_path(path)
        async with self.workspaces.using(name) as workspace:
            return await self._transfer(workspace).list(inner, DEEPEST if deep else 1)

    def _transfer(self, workspace: Workspace) -> Transfer:
        return Transfer(self.workspaces.home.engine, workspace)


def _name(local: Path) -> str:
    return local.name if local.name not in ("", "..") else local.resolve().name


def _target(path: str) -> str:
    """With a slash at its end, it is a directory, although there is none yet."""
    inner = inner_path(path)
    return inner + "/" if path.endswith("/") and inner != "." else inner
