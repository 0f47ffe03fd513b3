"""The containers of workspaces: as hardened as those of runs, and kept by a process that the commands cannot end.

Nothing runs in one but what is executed in it. Its working directory is memory: it lives as long as the container.
"""

import asyncio
from contextlib import suppress
from importlib.resources import files
from typing import Any
from uuid import UUID

from ....actors.logger import get_logger
from ....memory.workspaces import WorkspaceRecords
from ..backend import NoSandbox
from ..patience import patience
from ..spec import SandboxSpec
from ..way_out import remove_home
from ..workspace import State, Workspace, WorkspaceLost
from .containers import Containers
from .engine import Engine, Gone, NameTaken
from .images import Images
from .names import KEPT, OWNER, WORKSPACE, Labels, labels, workspace_name
from .shape import GVISOR_PIDS, SCRATCH, Shape, configuration

_log = get_logger("resprout.sandbox")

AT_ONCE = 4  # commands in one; `command.sh` counts them
# Ours for each: two that adopt, the runner, two captures of four, two tails, a watch, `timeout` and a subshell; and for
# copies and connections.
OWN_PROCESSES = 16 * AT_ONCE + 64
MAKING = 60.0
_MADE_IN_VAIN = "The engine did not give the container of the workspace {} in a minute: see its log, and try again."
_LACKS_TOOLS = 127
_KEEPER = """\
for tool in cp env find head mkfifo mv rm tail tar tee timeout wc; do
    command -v "$tool" >/dev/null || exit 127
done
exec sleep infinity"""

COMMAND = (files(__package__) / "command.sh").read_text()


class DockerWorkspaces:
    name = "docker"

    def __init__(self, engine: Engine, instance: str) -> None:
        self.engine = engine
        self._instance = instance
        self._containers = Containers(engine)
        self._images = Images(engine)

    async def make(self, workspace: Workspace, spec: SandboxSpec, gate: str | None) -> None:
        """Harmless when it is there. `gate` is a path in the directory that is shown inside."""
        limits, name = spec.limits, workspace_name(workspace.id)
        shape = Shape(
            await self._images.digest(spec),
            *(workspace.isolation, limits.cpu, limits.memory, limits.pids, limits.disk, limits.output),
            gate=gate,
        )
        labelled = labels(self._instance, workspace.ends_at - workspace.made_at + KEPT)
        config = _configuration(shape, labelled)
        async with patience(MAKING, _MADE_IN_VAIN.format(workspace.name)):
            while True:
                with suppress(NameTaken):  # whoever made it did not live to say so, or makes it at this moment
                    await self.engine.call(lambda api: api.create_container_from_config(config, name))  # type: ignore[no-untyped-call]
                try:
                    return await self._start(name, spec)
                except Gone:
                    await asyncio.sleep(0.02)  # a name is taken before its container can be found; nothing tells when

    async def image(self, workspace: UUID) -> str:
        """By digest."""
        found: dict[str, Any] = await self.engine.call(lambda api: api.inspect_container(workspace_name(workspace)))
        return str(found["Image"])

    async def state(self, workspace: UUID) -> State:
        try:
            state = await self._containers.state(workspace_name(workspace))
        except Gone:
            return "lost"
        if state["Paused"]:
            return "paused"
        return "running" if state["Running"] else "lost"

    async def pause(self, workspace: UUID) -> None:
        await self._unless_so(workspace, lambda api, name: api.pause(name))

    async def resume(self, workspace: UUID) -> None:
        await self._unless_so(workspace, lambda api, name: api.unpause(name))

    async def remove(self, workspace: UUID) -> None:
        if await self.state(workspace) == "paused":
            await self.resume(workspace)  # gVisor takes ten seconds to end what is paused
        await self._containers.remove(workspace_name(workspace))

    async def end_all(self, records: WorkspaceRecords | None) -> None:
        """The installation is taken down, and its workspaces with it."""
        try:
            ours = await self.ours()
        except NoSandbox:
            return  # no engine: nothing of ours is there
        await asyncio.gather(*(self._end(workspace, records) for workspace in ours))

    async def _end(self, workspace: UUID, records: WorkspaceRecords | None) -> None:
        """One that the engine cannot remove is no reason to leave the others: the reaper of the next stack finds it."""
        if records is not None:
            await records.bury(workspace, "the stack was taken down")
        try:
            await self.remove(workspace)
        except NoSandbox as error:
            _log.warning("a workspace cannot be removed", workspace=str(workspace), reason=str(error))
            return
        remove_home(str(workspace))

    async def ours(self) -> set[UUID]:
        """Those that have a container of this installation here."""
        found = await self._containers.ours(f"{Labels.owner}={OWNER}")
        ours = [one for one in found if one["Labels"].get(Labels.instance) == self._instance and one["Names"]]
        names = [one["Names"][0].removeprefix("/") for one in ours]
        return {UUID(name.removeprefix(WORKSPACE)) for name in names if name.startswith(WORKSPACE)}

    async def _start(self, name: str, spec: SandboxSpec) -> None:
        try:
            await self._containers.start(name)
        except NameTaken:
            return  # it is paused
        except Gone:
            raise
        except NoSandbox:
            await self._containers.remove(name)
            raise
        state = await self._containers.state(name)
        if not state["Running"] and state["ExitCode"] == _LACKS_TOOLS:
            await self._containers.remove(name)
            raise NoSandbox(f"The image {spec.image} lacks tar, find or one of the core utilities: add them.")

    async def _unless_so(self, workspace: UUID, ask: Any) -> None:
        try:
            await self.engine.call(lambda api: ask(api, workspace_name(workspace)))
        except (NameTaken, Gone) as error:
            if await self.state(workspace) == "lost":
                raise WorkspaceLost("its container has ended.") from error
        except NoSandbox as error:  # some engines answer 500 for what is paused, or is not, already
            if "paused" not in str(error):
                raise


def executed(isolation: str, words: tuple[str, ...]) -> list[str]:
    """In a way that what a command leaves alone stays beneath us, where the kernel can do that."""
    adopting = [] if isolation == "gvisor" else ["/sbin/docker-init", "-s", "--"]
    return [*adopting, "/bin/sh", "-c", COMMAND, "command", *words, "" if isolation == "gvisor" else "init"]


def _configuration(shape: Shape, labelled: dict[str, str]) -> dict[str, Any]:
    config = configuration(shape, labelled)
    host = config["HostConfig"]
    tmpfs = {where: how for where, how in host["Tmpfs"].items() if not where.startswith("/run/")}
    kept = 2 * (2 * AT_ONCE) * shape.output + 8 * SCRATCH
    tmpfs["/run/commands"] = f"rw,noexec,nosuid,nodev,size={kept},nr_inodes=2048,mode=0700,uid=65532,gid=65532"
    pids = max(shape.pids, GVISOR_PIDS) if shape.isolation == "gvisor" else shape.pids + OWN_PROCESSES
    return {
        **config,
        "Entrypoint": ["/bin/sh", "-c", _KEEPER],
        "Cmd": [],
        "HostConfig": {**host, "Tmpfs": tmpfs, "PidsLimit": pids},
    }
