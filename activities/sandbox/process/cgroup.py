"""Limits of a run as a whole, where the kernel's control groups may be used.

Without them each process is limited by itself: all may use `pids` times `memory` then. Nothing limits what the kernel
needs for their files: bubblewrap's file systems in memory have a size, and as many inodes as anybody wants.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ..spec import SandboxLimits

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
PERIOD_MICROSECONDS = 100_000
KINDS = ("memory", "pids", "cpu", "cpuacct")
# A process joins by itself. To move another one, the kernel first holds up every fork of the machine, which it waits
# some 10 ms for.
JOINING = 'while [ "$1" != -- ]; do echo 0 >"$1/tasks" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Usage:
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    ran_out_of_memory: bool = False


class Group:
    """One group for one run; in version 1 there is one for each kind of limit."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def limit(self, limits: SandboxLimits) -> None:
        self._write("memory", "memory.limit_in_bytes", limits.memory)
        self._write("memory", "memory.memsw.limit_in_bytes", limits.memory, may_lack=True)  # no swap
        self._write("pids", "pids.max", limits.pids + 4)  # with bubblewrap's own and the shell that waits
        self._write("cpu", "cpu.cfs_period_us", PERIOD_MICROSECONDS)
        self._write("cpu", "cpu.cfs_quota_us", max(1_000, round(limits.cpu * PERIOD_MICROSECONDS)))

    def joined(self, words: Sequence[str]) -> list[str]:
        """A command that is in the group before it becomes this one. It must be run as who made the group."""
        return ["/bin/sh", "-c", JOINING, "sh", *map(str, set(self.folders.values())), "--", *words]

    def count_anew(self) -> None:
        """What was spent until now was ours, not the program's."""
        self._write("cpuacct", "cpuacct.usage", 0)
        self._write("memory", "memory.max_usage_in_bytes", 0)

    def usage(self) -> Usage:
        memory = self.folders["memory"]
        killed = dict(line.split() for line in (memory / "memory.oom_control").read_text().splitlines())
        return Usage(
            int((self.folders["cpuacct"] / "cpuacct.usage").read_text()) / 1e9,
            int((memory / "memory.max_usage_in_bytes").read_text()),
            int(killed.get("oom_kill", 0)) > 0,
        )

    def remove(self) -> None:
        """Once all its processes are gone; until then the kernel says that it is busy."""
        for folder in set(self.folders.values()):
            folder.rmdir()

    def _write(self, kind: str, name: str, value: int, *, may_lack: bool = False) -> None:
        file = self.folders[kind] / name
        if not may_lack or file.exists():
            file.write_text(str(value))


def parents(membership: Path = MEMBERSHIP, root: Path = ROOT) -> dict[str, Path] | None:
    """Where groups of ours can be made, by kind; None where they cannot.

    Version 2 gives limits to groups without processes of their own only, and this process is in its group: there a
    service manager would have to hand over an empty one, and none is asked for yet.
    """
    found: dict[str, Path] = {}
    for line in membership.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for kind in controllers.split(","):
            if kind in KINDS:
                own = root / kind / path.lstrip("/")
                found[kind] = (own if own.is_dir() else root / kind).resolve()
    usable = len(found) == len(KINDS) and all(os.access(folder, os.W_OK) for folder in found.values())
    return found if usable else None


def make(parents: dict[str, Path]) -> Group:
    name = f"resprout-{os.getpid()}-{uuid4().hex[:12]}"
    made = {kind: folder / name for kind, folder in parents.items()}
    group = Group(made)
    try:
        for folder in set(made.values()):
            folder.mkdir()
    except OSError:
        for folder in made.values():
            if folder.is_dir():
                folder.rmdir()
        raise
    return group


def remove_left_behind(parents: dict[str, Path]) -> int:
    """Groups of processes of ours that were killed; what ran in them has died with them."""
    left = [one for folder in set(parents.values()) for one in folder.glob("resprout-*-*")]
    return sum(_was_removed(one) for one in left)


def _was_removed(left: Path) -> bool:
    owner = left.name.split("-")[1]
    if not owner.isdecimal() or Path("/proc", owner).exists():
        return False
    try:
        if (left / "cgroup.procs").read_text():
            return False
        left.rmdir()
    except OSError:  # another process of ours was faster, or what ran in it is not quite gone: the next round sees
        return False
    return True
