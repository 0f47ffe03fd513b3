"""Workspaces: made, found again by any process, used, and gone when nobody uses them.

The order is the invariant: a workspace is on record before it is made, and its record says that it is gone before it
goes. So whoever is killed in between leaves something that the next one finishes: a name that is being made is made by
whoever asks for it, and a container without a living record is removed by the reaper.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic import ValidationError

from ...actors.duration import format_duration
from ...actors.errors import BadArgument, NotFound, Rejected, ResproutError
from ...actors.logger import get_logger
from ...actors.words import sentence
from ...memory.workspaces import WorkspaceRecords, WorkspaceRow
from .backend import Job, NoSandbox, Watch, unwatched
from .docker.commands import Commands
from .docker.ports import Port
from .docker.workspaces import DockerWorkspaces
from .jobs import check
from .result import SandboxResult
from .sandboxes import Sandboxes
from .spec import Isolation, SandboxSpec
from .way_out import home_of, remove_home
from .workspace import (
    LeftRunning,
    NoRoom,
    State,
    Workspace,
    WorkspaceGone,
    WorkspaceLost,
    WorkspacePaused,
    WorkspaceSpec,
    check_name,
)

log = get_logger("resprout.sandbox")

REAP_EVERY = timedelta(minutes=1)
OVERDUE = timedelta(seconds=10)  # beyond its time: until then its own watch ends it, or who waits for it
SEEN_EVERY = timedelta(seconds=20)


@dataclass(frozen=True)
class WorkspaceBounds:
    idle: timedelta
    life: timedelta  # the most
    per_tenant: int
    at_most: int
    snapshots: int  # of a tenant


@dataclass
class Workspaces:
    sandboxes: Sandboxes
    home: DockerWorkspaces
    records: WorkspaceRecords
    bounds: WorkspaceBounds
    user: str  # as in 1000@3f2a61b7c0de: a user of a machine
    tenant: str = "default"
    ended: set[str] = field(default_factory=set)  # commands whose time was over

    async def create(self, name: str, spec: WorkspaceSpec) -> Workspace:
        """The same name and spec are the same workspace, however often it is said."""
        row, life = await self._intended(check_name(name), spec)
        await self.records.expire()
        room = await self.records.intend(row, life, self.bounds.per_tenant, self.bounds.at_most)
        if room is not None:
            raise _no_room(room.of_tenant, self.bounds)
        found = await self._row(name)
        if found.spec_hash != row.spec_hash:
            raise BadArgument(
                f"there is a workspace {name} with another spec: choose another name, or remove it by "
                f"`resprout sandbox rm {name}`."
            )
        try:
            return await self._ready(found)
        except NoSandbox:
            if found.id == row.id:
                await self.records.bury(row.id, "it could not be made")
            raise

    async def get(self, name: str) -> Workspace:
        """Raises NotFound with the nearest name, WorkspaceGone for one that was."""
        return await self._seen(await self._row(name))

    async def list(self) -> list[Workspace]:
        return [await self._seen(row) for row in await self.records.alive(self.tenant)]

    async def run(
        self, name: str, words: Mapping[str, Any], key: str | None = None, watch: Watch = unwatched
    ) -> SandboxResult:
        """A command. With a key, it runs once: the same key is come back to, or answered from the record."""
        async with self.using(name) as workspace:
            runner = Commands(self.home, workspace, key is not None)
            job = self._job(workspace, words, key or uuid4().hex)
            return await self.sandboxes.run_job(job, runner, self.tenant, watch, once=key is not None)

    async def begin(self, name: str, words: Mapping[str, Any], key: str | None = None) -> str:
        """Leaves a command running, and returns its key: by `run` with the same words and key, it is come back to."""
        key = key or uuid4().hex[:12]
        async with self.using(name) as workspace:
            if not isinstance(workspace.spec.net, str):
                raise Rejected(f"nobody would watch the way out of {name}: leave no command running where `net` is.")
            runner, job = Commands(self.home, workspace, True, is_left=True), self._job(workspace, words, key)
            with suppress(LeftRunning):
                await self.sandboxes.run_job(job, runner, self.tenant, unwatched, once=True)
        return key

    async def end(self, name: str, key: str) -> None:
        """The command of this key, with all that it started; nothing happens when it has ended."""
        async with self.using(name) as workspace:
            await Commands(self.home, workspace, True).end(workspace.key(key))

    @asynccontextmanager
    async def port(self, name: str, number: int) -> AsyncIterator[Port]:
        """To be served to its owner, and nobody else."""
        async with self.using(name) as workspace:
            if workspace.owner != self.user:
                raise Rejected(f"the ports of {name} are for {workspace.owner}, who made it: make one of your own.")
            yield Port(self.home.engine, workspace, number)

    async def pause(self, name: str) -> Workspace:
        workspace = await self.get(name)
        if workspace.state != "paused":
            async with self.using(name):
                await self.home.pause(workspace.id)
        await self.records.set_state(workspace.id, "paused")
        return await self.get(name)

    async def resume(self, name: str) -> Workspace:
        workspace = await self.get(name)
        if workspace.state == "paused":
            await self.home.resume(workspace.id)
        await self.records.set_state(workspace.id, "running")
        return await self.get(name)

    async def remove(self, name: str) -> None:
        row = await self._row(name)
        await self.records.bury(row.id, f"{self.user} removed it")
        if row.place == await self.place():
            await self._clear(row.id)

    @asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[Workspace]:
        """Ready, and kept from being idle."""
        workspace = await self._ready(await self._row(name))
        if not await self.records.use(workspace.id):
            raise _gone(name, "its time was over")
        seeing = asyncio.create_task(self._keep_in_use(workspace))
        try:
            yield workspace
        finally:
            seeing.cancel()
            await asyncio.shield(self._see(workspace))

    async def place(self) -> str:
        return str((await self.home.engine.facts())["ID"])

    async def reap(self) -> int:
        """What has expired goes, and what is on no record. How many containers that were."""
        await self.records.expire()
        await self.end_overdue()
        found = await self.home.ours()
        gone = found - await self.records.alive_ids()
        return sum(await asyncio.gather(*(self._reaped(workspace) for workspace in gone)))

    async def _reaped(self, workspace: UUID) -> bool:
        """One that the engine cannot remove is no reason to leave the others."""
        try:
            await self._clear(workspace)
        except NoSandbox as error:
            log.warning("a workspace whose time was over cannot be removed", id=str(workspace), reason=str(error))
            return False
        return True

    async def end_overdue(self) -> None:
        """What watches over a command in its workspace is of the command's user, who can end it: then this is its time.

        Once each, for who has ended may stay on record for long.
        """
        overdue = await self.records.overdue(await self.place(), OVERDUE)
        for row, key in overdue:
            if key not in self.ended:
                await Commands(self.home, _workspace(row, row.state), True).end(key)
        self.ended = {key for _, key in overdue}

    async def reap_forever(self) -> None:
        while True:
            try:
                if removed := await self.reap():
                    log.info("workspaces whose time was over were removed", count=removed)
            except NoSandbox:
                log.debug("no engine answers: workspaces are not looked for")
            except ResproutError as error:
                log.warning("workspaces cannot be looked for", error=str(error))
            except Exception:  # a mistake of ours ends one round, not all
                log.exception("looking for workspaces failed")
            await asyncio.sleep(min(REAP_EVERY, self.bounds.idle).total_seconds())

    def _job(self, workspace: Workspace, words: Mapping[str, Any], key: str) -> Job:
        spec = command_of(workspace, words)
        return self.sandboxes.job(workspace.key(key), spec, workspace.isolation, str(workspace.id))

    async def _clear(self, workspace: UUID) -> None:
        await self.home.remove(workspace)
        remove_home(str(workspace))

    async def _intended(self, name: str, spec: WorkspaceSpec) -> tuple[WorkspaceRow, timedelta]:
        if spec.isolation == "process":
            raise Rejected("a workspace is kept in a container: write `isolation: container` or `gvisor`.")
        asked = spec.command({"run": "true"})
        check(asked)
        isolation, backend = await self.sandboxes.choose(asked)
        idle, life = spec.idle or self.bounds.idle, spec.life or self.bounds.life
        if life > self.bounds.life:
            most = format_duration(self.bounds.life)
            raise Rejected(f"`life` is {format_duration(life)}: write {most} or less, or raise sandbox.life_seconds.")
        now = datetime.now(UTC)
        row = WorkspaceRow(
            *(uuid4(), self.tenant, name, self.user, spec.model_dump_json(), spec.hash, backend.name, isolation),
            *(await self.place(), "making", now, now, min(idle, life), now + life, None, None),
        )
        return row, life

    async def _row(self, name: str) -> WorkspaceRow:
        row = await self.records.find(self.tenant, check_name(name))
        if row is None:
            near = get_close_matches(name, [one.name for one in await self.records.alive(self.tenant)], n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"make it by `resprout sandbox create {name}`."
            raise NotFound(f"there is no workspace {name}: {hint}")
        if row.state == "gone":
            raise _gone(name, row.gone_why or "", row.gone_at)
        return row

    async def _seen(self, row: WorkspaceRow) -> Workspace:
        """With the state that its container has, where it can be asked."""
        if row.state == "making" or row.place != await self.place():
            return _workspace(row, row.state)
        return _workspace(row, await self.home.state(row.id))

    async def _ready(self, row: WorkspaceRow) -> Workspace:
        if row.place != await self.place():
            raise NoSandbox(f"the workspace {row.name} is kept by another engine ({row.place}): ask where that is.")
        if row.state == "making":
            await self._make(row)
        workspace = await self._seen(await self._row(row.name))
        if workspace.state == "paused":
            raise WorkspacePaused(
                f"the workspace {row.name} is paused: resume it by `resprout sandbox resume {row.name}`."
            )
        if workspace.state == "lost":
            raise WorkspaceLost(
                f"the workspace {row.name} is lost: its container has ended, with the engine or for want of memory. "
                f"Remove it by `resprout sandbox rm {row.name}`, and create it anew or from a snapshot."
            )
        return workspace

    async def _make(self, row: WorkspaceRow) -> None:
        workspace = _workspace(row, "making")
        spec = workspace.spec.command({"run": "true"})
        gate = None if isinstance(spec.net, str) else str(home_of(str(row.id)) / "gate")
        await self.home.make(workspace, spec, gate)
        if not await self.records.set_state(row.id, "running"):
            await self._clear(row.id)  # removed meanwhile
            raise _gone(row.name, "it was removed")

    async def _keep_in_use(self, workspace: Workspace) -> None:
        while True:
            await asyncio.sleep(min(SEEN_EVERY, workspace.idle / 3).total_seconds())
            await self._see(workspace)

    async def _see(self, workspace: Workspace) -> None:
        try:
            await self.records.use(workspace.id)
        except ResproutError as error:
            log.warning("a workspace is not said to be in use", workspace=workspace.name, error=str(error))


def command_of(workspace: Workspace, words: Mapping[str, Any]) -> SandboxSpec:
    try:
        spec = workspace.spec.command(words)
    except ValidationError as error:
        raise BadArgument(sentence(error, SandboxSpec)) from None
    check(spec)
    return spec


def _workspace(row: WorkspaceRow, state: str) -> Workspace:
    spec = WorkspaceSpec.model_validate_json(row.spec)
    isolation = cast("Isolation", row.isolation)
    return Workspace(
        *(row.id, row.name, row.tenant, row.owner, spec, isolation, row.backend, cast("State", state)),
        made_at=row.made_at,
        used_at=row.used_at,
        idle=row.idle,
        ends_at=row.ends_at,
    )


def _gone(name: str, why: str, since: datetime | None = None) -> WorkspaceGone:
    when = f" since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
    anew = f"make it anew by `resprout sandbox create {name}`"
    return WorkspaceGone(f"the workspace {name} is gone{when}: {why}; {anew}.")


def _no_room(of_tenant: int, bounds: WorkspaceBounds) -> NoRoom:
    if of_tenant >= bounds.per_tenant:
        said = f"you have {of_tenant} workspaces, as many as sandbox.per_tenant allows"
    else:
        said = f"there are {bounds.at_most} workspaces, as many as sandbox.at_most allows"
    return NoRoom(f"{said}: remove one by `resprout sandbox rm`, or raise the setting.")
