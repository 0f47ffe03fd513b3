"""Snapshots: the files of a workspace, kept in Postgres, to be put back or to begin another workspace with.

Processes are not part of one, and what commands write while it is taken may be in it by half.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

from ...actors.errors import BadArgument, NotFound
from ...memory.snapshots import NameTaken, Snapshot, SnapshotRecords
from .docker.transfer import Progress, Transfer, silent
from .workspace import NoRoom, Workspace, WorkspaceSpec, check_name
from .workspaces import Workspaces

_OVERHEAD = 64 << 20  # of a tar with many small files


@dataclass(frozen=True)
class WorkspaceSnapshots:
    workspaces: Workspaces

    @property
    def tenant(self) -> str:
        return self.workspaces.tenant

    @property
    def records(self) -> SnapshotRecords:
        return SnapshotRecords(self.workspaces.records.open)

    async def take(self, workspace: str, name: str | None = None, progress: Progress = silent) -> Snapshot:
        name = check_name(name or f"{workspace}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        if await self.records.find(self.tenant, name) is not None:
            raise _taken(name)
        most = self.workspaces.bounds.snapshots
        if await self.records.count(self.tenant) >= most:
            raise NoRoom(f"you have {most} snapshots, as many as sandbox.snapshots allows: remove one.")
        async with self.workspaces.using(workspace) as found:
            content = self._transfer(found).pack(2 * found.spec.limits.disk + _OVERHEAD, progress)
            try:
                spec = found.spec.model_dump_json()
                await self.records.put(self.tenant, name, found.name, spec, content)
            except NameTaken:
                raise _taken(name) from None
        return await self.get(name)

    async def restore(self, snapshot: str, workspace: str | None = None, progress: Progress = silent) -> Workspace:
        """Into the workspace of that name, whose files it replaces; a new one is made like that which it was taken of.

        When it fails, the files are as they were.
        """
        found = await self.get(snapshot)
        name = workspace or found.workspace
        try:
            await self.workspaces.get(name)
        except NotFound:
            await self.workspaces.create(name, WorkspaceSpec.model_validate_json(found.spec))
        async with self.workspaces.using(name) as target:
            await self._transfer(target).unpack(self.records.content(found.id), progress)
            return target

    async def get(self, name: str) -> Snapshot:
        found = await self.records.find(self.tenant, check_name(name))
        if found is None:
            near = get_close_matches(name, [one.name for one in await self.list()], n=1)
            hint = f"did you mean `{near[0]}`?" if near else "`resprout sandbox snapshots` lists them."
            raise NotFound(f"there is no snapshot {name}: {hint}")
        return found

    async def list(self) -> list[Snapshot]:
        """The newest first."""
        return await self.records.list(self.tenant)

    async def remove(self, name: str) -> None:
        await self.get(name)
        await self.records.remove(self.tenant, name)

    def _transfer(self, workspace: Workspace) -> Transfer:
        return Transfer(self.workspaces.home.engine, workspace)


def _taken(name: str) -> BadArgument:
    return BadArgument(f"there is a snapshot {name}: choose another name, or remove it.")
