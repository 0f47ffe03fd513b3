"""Composes the sandboxes of a process: backends, secrets, and the record of runs."""

import asyncio
import getpass
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from ..activities.sandbox.backend import Backend
from ..activities.sandbox.docker.backend import DockerBackend
from ..activities.sandbox.docker.engine import Engine
from ..activities.sandbox.docker.workspaces import DockerWorkspaces
from ..activities.sandbox.egress.meter import Bounds
from ..activities.sandbox.process.sandbox import ProcessSandbox
from ..activities.sandbox.sandboxes import Sandboxes
from ..activities.sandbox.spec import Isolation
from ..activities.sandbox.workspaces import WorkspaceBounds, Workspaces
from ..memory import large_payloads
from ..memory.database import redacted
from ..memory.sandbox_runs import SandboxRuns
from ..memory.workspaces import WorkspaceRecords
from .lazy_database import LazyDatabase
from .secrets import SecretsFromEnvironment
from .settings import SandboxSettings, Settings


@asynccontextmanager
async def sandboxes(settings: Settings, *, recorded: bool) -> AsyncIterator[Sandboxes]:
    """`recorded`: a key that was run is not run again; needs Postgres."""
    database = LazyDatabase(settings.postgres, "sandbox runs", pool_size=4)

    async def keep(contents: Sequence[bytes]) -> None:
        await large_payloads.keep(await database.open(), contents)

    wanted = settings.sandbox.isolation
    made = Sandboxes(
        backends=_backends(settings, recorded=recorded, warm=settings.sandbox.warm if recorded else 0),
        secrets=SecretsFromEnvironment(),
        default=None if wanted == "auto" else wanted,
        runs=SandboxRuns(database.open) if recorded else None,
        keep=keep if recorded else None,
        private_hosts=settings.sandbox.private_hosts,
        bounds=_bounds(settings),
        remember=timedelta(days=settings.sandbox.recorded_days),
    )
    tasks = [asyncio.create_task(made.reap_forever())]
    if recorded:
        tasks.append(asyncio.create_task(made.keep_alive()))
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await made.close()
        await database.close()


async def end_all(settings: Settings, *, is_recorded: bool = True) -> None:
    """What is left of the sandboxes of a stack that is down; `is_recorded`: its Postgres still answers."""
    database = LazyDatabase(settings.postgres, "sandbox runs", pool_size=4)
    runs = SandboxRuns(database.open) if is_recorded else None
    boxes = Sandboxes(_backends(settings, recorded=True, warm=0), SecretsFromEnvironment(), runs=runs)
    opened = Engine(_engine_url())
    try:
        await DockerWorkspaces(opened, _installation(settings)).end_all(
            WorkspaceRecords(database.open) if is_recorded else None
        )
        await boxes.end_all()
    finally:
        await opened.close()
        await boxes.close()
        await database.close()


@asynccontextmanager
async def workspaces(settings: Settings, tenant: str = "default") -> AsyncIterator[Workspaces]:
    """Needs Postgres, and an engine as soon as one is made."""
    database = LazyDatabase(settings.postgres, "workspaces", pool_size=4)

    async def keep(contents: Sequence[bytes]) -> None:
        await large_payloads.keep(await database.open(), contents)

    engine, instance, of = Engine(_engine_url()), _installation(settings), settings.sandbox
    docker = DockerBackend(engine, instance, warm=0)
    boxes = Sandboxes(
        backends={"container": docker, "gvisor": docker},
        secrets=SecretsFromEnvironment(),
        default="gvisor" if of.isolation == "gvisor" else None,
        runs=SandboxRuns(database.open),
        keep=keep,
        private_hosts=of.private_hosts,
        bounds=_bounds(settings),
    )
    made = Workspaces(
        boxes,
        DockerWorkspaces(engine, instance),
        WorkspaceRecords(database.open),
        _bounds_of_workspaces(of),
        f"{getpass.getuser()}@{socket.gethostname()}",
        tenant,
    )
    tasks = [asyncio.create_task(made.reap_forever()), asyncio.create_task(boxes.keep_alive())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await boxes.close()
        await database.close()


def _bounds_of_workspaces(of: SandboxSettings) -> WorkspaceBounds:
    idle, life = timedelta(seconds=of.idle_seconds), timedelta(seconds=of.life_seconds)
    return WorkspaceBounds(idle, life, of.per_tenant, of.at_most, of.snapshots)


@asynccontextmanager
async def engine() -> AsyncIterator[Engine]:
    """The one that DOCKER_HOST names, or this machine's."""
    opened = Engine(_engine_url())
    try:
        yield opened
    finally:
        await opened.close()


def _bounds(settings: Settings) -> Bounds:
    net = settings.sandbox
    return Bounds(connections=net.net_connections, sent=net.net_sent_bytes, received=net.net_received_bytes)


def _backends(settings: Settings, *, recorded: bool, warm: int) -> dict[Isolation, Backend]:
    # What is on no record is none of those who reap by the record.
    instance = _installation(settings) + ("" if recorded else "-unrecorded")
    docker = DockerBackend(Engine(_engine_url()), instance, warm=warm)
    return {"process": ProcessSandbox(), "container": docker, "gvisor": docker}


def _engine_url() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _installation(settings: Settings) -> str:
    """Those who share a record of runs share containers: a run is come back to by any of them."""
    dsn = settings.postgres.dsn
    shared = redacted(dsn.get_secret_value()) if dsn is not None else str(settings.data_dir.resolve())
    return hashlib.sha256(shared.encode()).hexdigest()[:12]
