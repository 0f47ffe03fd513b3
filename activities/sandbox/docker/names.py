"""What our containers are called and labelled, so that anybody who reaches the engine knows whose they are.

The name of a run's container follows from its key alone: to claim a key is to be the one whose container has the name.
"""

import os
import time
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from ..backend import UNRECORDED

OWNER = "resprout"
RUN, WARM, WORKSPACE = "resprout-run-", "resprout-warm-", "resprout-workspace-"
ONCE = "resprout-once-"  # of a run that is on no record

# How long what has had its time is kept for whoever comes back to it, and the oldest that a warm one gets.
KEPT = timedelta(days=1)
OLDEST_WARM = timedelta(hours=12)


class Labels:
    owner = "resprout.owner"
    instance = "resprout.instance"
    process = "resprout.process"
    key = "resprout.key"
    deadline = "resprout.deadline"


def run_name(instance: str, key: str) -> str:
    kind = ONCE if key.startswith(UNRECORDED) else RUN
    return kind + sha256(f"{instance}\0{key}".encode()).hexdigest()[:40]


def warm_name() -> str:
    return WARM + uuid4().hex


def workspace_name(workspace: UUID) -> str:
    return WORKSPACE + workspace.hex


def labels(instance: str, life: timedelta, key: str | None = None) -> dict[str, str]:
    deadline = time.time() + life.total_seconds()
    named = {
        Labels.owner: OWNER,
        Labels.instance: instance,
        Labels.process: str(Process.this()),
        Labels.deadline: f"{deadline:.0f}",
    }
    return named if key is None else {**named, Labels.key: key}


class Process(NamedTuple):
    """One process of one machine since its start; a number alone is used again."""

    machine: str  # this boot of it, and the space its process numbers are of
    pid: int
    started: str

    @classmethod
    def this(cls) -> "Process":
        return cls(_machine(), os.getpid(), _started(os.getpid()) or "")

    @classmethod
    def parse(cls, text: str) -> "Process | None":
        machine, _, rest = text.partition("/")
        pid, _, started = rest.partition("/")
        return cls(machine, int(pid), started) if pid.isdecimal() else None

    @property
    def is_dead(self) -> bool:
        """Only what runs here can be known to be dead."""
        return self.machine == _machine() and _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"{self.machine}/{self.pid}/{self.started}"


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"


def _started(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
