"""What a container is made of: all that cannot be changed once it is there.

Two jobs of one shape can use the same container, one of them: that is what makes a pool possible. The hardening is
here, and there is no argument that weakens it.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..backend import FLOOD, Job
from ..spec import Isolation, SandboxLimits
from .runtimes import RUNTIMES

GATE = "/run/gate"
JOB_UID = 65532
JOB_USER = f"{JOB_UID}:{JOB_UID}"
KEEPER_USER = "65533:65533"

# Ours in a container: init, the keeper and its two captures, a runner that follows them, its watch and its `timeout`:
# eighteen. And room for those that come back, three processes for each of eight and of one that takes a place (see
# `make_room` in runner.sh), and for what the engine needs to bring it in.
OWN_PROCESSES = 48
GVISOR_PIDS = 1_024  # the threads of its own kernel are counted too
OPEN_FILES = 1_024
BLOCK = 512
SCRATCH = 1 << 20  # what starts the job: its environment, its command, its input

_FOLDER = files(__package__)
_KEEPER = (_FOLDER / "keeper.sh").read_text()
_SECCOMP = (_FOLDER / "seccomp.json").read_text()


@dataclass(frozen=True)
class Shape:
    image: str  # by digest
    isolation: Isolation
    cpu: float
    memory: int
    pids: int
    disk: int
    output: int
    scratch: int = SCRATCH
    gate: str | None = None


def shape_of(job: Job, image: str) -> Shape:
    limits: SandboxLimits = job.spec.limits
    given = len((job.spec.stdin or "").encode()) + sum(len(name) + len(text) for name, text in job.env.items())
    scratch = SCRATCH if given < SCRATCH // 2 else SCRATCH + 4 * given
    return Shape(
        image, job.isolation, limits.cpu, limits.memory, limits.pids, limits.disk, limits.output, scratch, job.gate
    )


def flood(output: int) -> int:
    return output * FLOOD


def configuration(shape: Shape, labels: dict[str, str]) -> dict[str, Any]:
    """As the engine's API wants it."""
    blocks = -(-shape.output // BLOCK)
    return {
        "Image": shape.image,
        "Entrypoint": ["/bin/sh", "-c", _KEEPER, "keeper"],
        "Cmd": [str(blocks), str(flood(shape.output))],
        "User": KEEPER_USER,
        "WorkingDir": "/work",
        "Hostname": "sandbox",
        "Env": ["HOME=/work", "LANG=C.UTF-8", "TMPDIR=/tmp", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
        "Labels": labels,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_configuration(shape),
    }


def _host_configuration(shape: Shape) -> dict[str, Any]:
    pids = max(shape.pids, GVISOR_PIDS) if shape.isolation == "gvisor" else shape.pids + OWN_PROCESSES
    return {
        "Runtime": RUNTIMES[shape.isolation],
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={_SECCOMP}"],
        "Init": True,
        "IpcMode": "private",
        "ShmSize": min(shape.disk, 64 << 20),
        "Memory": shape.memory,
        "MemorySwap": shape.memory,
        "NanoCpus": round(shape.cpu * 1_000_000_000),
        "PidsLimit": pids,
        "Ulimits": [
            {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "LogConfig": {"Type": "none"},
        "Tmpfs": _tmpfs(shape),
        "Mounts": _mounts(shape),
    }


def _tmpfs(shape: Shape) -> dict[str, str]:
    job, keeper = "uid=65532,gid=65532", "uid=65533,gid=65533"
    inodes = max(1_024, shape.disk // 4_096)
    kept = 2 * (shape.output + BLOCK) + (64 << 10)
    return {
        "/work": f"rw,exec,nosuid,nodev,size={shape.disk},nr_inodes={inodes},mode=0755,{job}",
        "/tmp": f"rw,exec,nosuid,nodev,size={shape.disk},nr_inodes={inodes},mode=1777,{job}",
        "/run/resprout": f"rw,noexec,nosuid,nodev,size={kept},nr_inodes=64,mode=0755,{keeper}",
        "/run/resprout/job": f"rw,noexec,nosuid,nodev,size={shape.scratch},nr_inodes=64,mode=0700,{job}",
    }


def _mounts(shape: Shape) -> list[dict[str, Any]]:
    """The gate's directory, not the socket: who comes back to a run opens a new one in the same directory."""
    if shape.gate is None:
        return []
    return [{"Type": "bind", "Source": str(Path(shape.gate).parent), "Target": GATE, "ReadOnly": True}]
