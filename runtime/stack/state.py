"""What the supervisor tells the world: one JSON file, replaced whole at every change.

The file is only as true as its writer is alive: read it through `read`, which checks the supervisor's lock.
"""

import fcntl
import json
import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ValidationError

from ...actors.errors import StackError
from .paths import StackPaths
from .process import is_alive

LOOKS_AT_LOCK = 10

Status = Literal["waiting", "starting", "healthy", "unhealthy", "restarting", "stopping", "stopped"]
Phase = Literal["starting", "running", "stopping", "stopped", "failed"]


class InstanceState(BaseModel):
    """One of the processes behind a service, such as a host of the service `hosts`."""

    name: str
    pid: int
    restarts: int = 0
    metrics: str | None = None


class ServiceState(BaseModel):
    name: str
    external: bool = False  # somebody else runs it
    status: Status = "waiting"
    endpoint: str | None = None
    pid: int | None = None
    started_at: datetime | None = None
    restarts: int = 0
    version: str | None = None
    detail: str | None = None
    metrics: str | None = None  # where its process serves them, if not at its endpoint
    instances: list[InstanceState] = []


class StackState(BaseModel):
    pid: int
    data_dir: Path
    version: str
    phase: Phase = "starting"
    error: str | None = None
    started_at: datetime
    seconds_to_healthy: float | None = None
    services: list[ServiceState]
    # Settings that lead to the servers this stack uses, by dotted key; secrets among them, so the file is 0600.
    settings: dict[str, str]
    ports: dict[str, int]

    @property
    def healthy(self) -> bool:
        return self.phase == "running" and all(s.status == "healthy" for s in self.services)

    def service(self, name: str) -> ServiceState:
        return next(service for service in self.services if service.name == name)


def write(paths: StackPaths, state: StackState) -> None:
    draft = paths.state.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(state.model_dump_json(indent=1))
    draft.replace(paths.state)


def last(paths: StackPaths) -> StackState | None:
    """The newest state written, whether or not its writer lives; None if there is none that we can read."""
    try:
        return StackState.model_validate_json(paths.state.read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError):
        return None


def read(paths: StackPaths) -> StackState | None:
    """The state of the running stack, or None when no supervisor holds the lock."""
    if not is_locked(paths):
        return None
    state = last(paths)
    if state is not None:
        for service in state.services:
            if service.pid is not None and service.status == "healthy" and not _is_alive(service.pid):
                service.status = "restarting"  # it died since the supervisor wrote
    return state


def lock_as_supervisor(paths: StackPaths) -> int | None:
    """The lock, with our pid in it for `down`. Patient for a moment: somebody may just be looking at it."""
    for _ in range(LOOKS_AT_LOCK):
        if (lock := try_lock(paths)) is not None:
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            return lock
        time.sleep(0.05)
    return None


def supervisor(paths: StackPaths) -> psutil.Process | None:
    """The process that holds the lock; None in the moment before it has said so."""
    with suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(paths.lock.read_text()))
        if any("resprout" in word for word in process.cmdline()):
            return process
    return None


def is_locked(paths: StackPaths) -> bool:
    """Looks without leaving a trace, and is not in the way of others who look."""
    try:
        descriptor = _lock(paths, os.O_RDONLY, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StackError(f"{paths.data_dir} cannot be read: {error.strerror}. Is it another user's?") from None
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def try_lock(paths: StackPaths) -> int | None:
    """Takes the stack's lock for as long as the returned descriptor is open; None if it is taken."""
    try:
        return _lock(paths, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
    except OSError as error:
        raise StackError(
            f"{paths.lock} cannot be locked: {error.strerror}. Mend its permissions, or use another --data-dir."
        ) from None


def _lock(paths: StackPaths, mode: int, kind: int) -> int | None:
    descriptor = os.open(paths.lock, mode | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_alive(pid: int) -> bool:
    with suppress(psutil.Error):
        return is_alive(psutil.Process(pid))
    return False
