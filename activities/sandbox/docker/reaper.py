"""Removes what nobody will remove any more: the containers of dead processes and of runs that nobody comes back to.

A container is removed for one of three reasons, and each is safe: its process is dead, and it waits in that one's pool
or is on no record; its deadline, long after the end of its job, is over, and a job that has got rid of its own clock is
ended with it; or its run is not among those that are on record without an ending.
"""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from ....actors.logger import get_logger
from ..backend import NoSandbox, Unfinished
from .containers import Containers
from .names import ONCE, OWNER, RUN, WARM, Labels, Process, run_name

_log = get_logger("resprout.sandbox")


class Reaper:
    def __init__(self, containers: Containers, instance: str) -> None:
        self._containers = containers
        self._instance = instance

    async def reap(self, unfinished: Unfinished | None = None) -> int:
        """How many were removed. A run is put on record before its container is made: hence the order here."""
        found = await self._containers.ours(f"{Labels.owner}={OWNER}")
        ours = [one for one in found if one["Labels"].get(Labels.instance) == self._instance]
        wanted = None
        if unfinished is not None:
            wanted = {run_name(self._instance, key) for key in await unfinished()}
        removed = await asyncio.gather(*(self._removed(one) for one in ours if _is_orphan(one, wanted)))
        return sum(removed)

    async def _removed(self, container: dict[str, Any]) -> bool:
        """One that the engine cannot remove is no reason to leave the others."""
        try:
            await self._containers.remove(container["Id"])
        except NoSandbox as error:
            _log.warning("a container left behind cannot be removed", container=container["Names"], reason=str(error))
            return False
        return True


def _is_orphan(container: dict[str, Any], wanted: Collection[str] | None) -> bool:
    name = container["Names"][0].removeprefix("/") if container["Names"] else ""
    labels = container["Labels"]
    deadline = labels.get(Labels.deadline, "")
    if not deadline.isdecimal() or float(deadline) < time.time():
        return True
    process = Process.parse(labels.get(Labels.process, ""))
    if process is not None and process.is_dead and (name.startswith((WARM, ONCE)) or wanted is None):
        return True
    return name.startswith(RUN) and wanted is not None and name not in wanted
