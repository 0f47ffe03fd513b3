"""Removes what nobody will remove any more: the containers of dead processes and of runs that nobody comes back to.

A container is removed for one of three reasons, and each is safe: its process is dead, and it waits in that one's pool
or is on no record; its deadline, long after the end of its job, is over; or its run is not among those that are on
record without an ending.
"""

import time
from collections.abc import Collection
from typing import Any

from ..backend import Unfinished
from .containers import Containers
from .names import ONCE, OWNER, RUN, WARM, Labels, Process, run_name


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
        orphans = [one for one in ours if _is_orphan(one, wanted)]
        for one in orphans:
            await self._containers.remove(one["Id"])
        return len(orphans)


def _is_orphan(container: dict[str, Any], wanted: Collection[str] | None) -> bool:
    name = container["Names"][0].removeprefix("/") if container["Names"] else ""
    labels = container["Labels"]
    process = Process.parse(labels.get(Labels.process, ""))
    if process is not None and process.is_dead and (name.startswith((WARM, ONCE)) or wanted is None):
        return True
    if name.startswith(RUN) and wanted is not None:
        return name not in wanted
    deadline = labels.get(Labels.deadline, "")
    return not deadline.isdecimal() or float(deadline) < time.time()
