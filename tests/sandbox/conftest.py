"""Real sandboxes, and a host with something to lose."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import Backend, Ending, Job, Watch, unwatched
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.names import Labels
from resprout.activities.sandbox.jobs import contents
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.spec import Isolation, SandboxSpec
from support.engine import URL, engine_api, images

__all__ = ["engine_api", "images"]


@dataclass(frozen=True)
class Sandboxed:
    """A backend and the isolation that is asked of it."""

    backend: Backend
    isolation: Isolation

    async def run(self, spec: SandboxSpec, watch: Watch = unwatched, **more: Any) -> Ending:
        """One run of a key of its own, forgotten. Skips the test where this cannot be had."""
        refused = await self.backend.refusal(spec, self.isolation)
        if refused is not None:
            pytest.skip(refused)
        job = Job(uuid4().hex, spec, self.isolation, contents(spec), **more)
        try:
            return await self.backend.run(job, watch)
        finally:
            await self.backend.forget(job.key)


@pytest.fixture
def instance(engine_api: APIClient) -> Iterator[str]:
    """An installation of its own; when the test is over, the engine has no container of it."""
    name = f"test-{uuid4().hex}"
    yield name
    left = engine_api.containers(all=True, filters={"label": f"{Labels.instance}={name}"})
    for one in left:
        engine_api.remove_container(one["Id"], force=True)
    assert [one["Names"] for one in left] == []


@pytest.fixture
async def docker(images: None, instance: str) -> AsyncIterator[DockerBackend]:
    backend = DockerBackend(Engine(URL), instance, warm=0)
    yield backend
    await backend.close()


@pytest.fixture
async def process() -> AsyncIterator[ProcessSandbox]:
    backend = ProcessSandbox()
    yield backend
    await backend.close()


@pytest.fixture(params=["container", "gvisor", "process"])
def sandbox(request: pytest.FixtureRequest) -> Sandboxed:
    """Each backend in turn."""
    isolation: Isolation = request.param
    return Sandboxed(request.getfixturevalue("process" if isolation == "process" else "docker"), isolation)


@dataclass(frozen=True)
class Host:
    """What attacks look for: a secret in a file, in an environment and on a command line, and services."""

    facts: dict[str, str]
    victim: subprocess.Popen[bytes]
    visits: list[socket.socket]

    def is_unharmed(self) -> bool:
        return self.victim.poll() is None and not any(_was_visited(service) for service in self.visits)


def _was_visited(service: socket.socket) -> bool:
    try:
        service.accept()
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    secret = uuid4().hex
    folder = Path("/var/tmp") / f"resprout-{uuid4().hex}"
    folder.mkdir()
    secret_file = folder / "secret"
    secret_file.write_text(secret)
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()", secret]
    victim = subprocess.Popen(waits, stdin=subprocess.PIPE, env={**os.environ, "SECRET": secret})
    tcp = socket.create_server(("0.0.0.0", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{secret}-socket")
    abstract.listen()
    for service in (tcp, abstract):
        service.setblocking(False)
    facts = {
        "secret": secret,
        "secret_file": str(secret_file),
        "pid": str(victim.pid),
        "port": str(tcp.getsockname()[1]),
        "address": _own_address(),
        "abstract": f"{secret}-socket",
    }
    yield Host(facts, victim, [tcp, abstract])
    victim.communicate()
    tcp.close()
    abstract.close()
    secret_file.unlink()
    folder.rmdir()


def _own_address() -> str:
    """The one that routes lead from; nothing is sent."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
