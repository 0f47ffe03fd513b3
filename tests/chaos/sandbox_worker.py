"""A process that runs sandboxes for whoever writes keys to it, until it is killed: `sandbox_worker.py DSN INSTANCE`.

The first line out says that it is ready. A line in is an order; a line out is how it went. What is killed in between
says nothing.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta

from resprout.activities.sandbox.backend import InDoubt
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.actors.errors import Rejected, Unavailable
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import SandboxRuns
from support.engine import URL

LEASE = timedelta(seconds=1)
LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class Order:
    key: str
    isolation: str
    nap: str  # what its `sleep` is told: no two keys are told the same


@dataclass(frozen=True)
class Told:
    key: str
    outcome: str  # "done", "in-doubt", or "again" where trying again may help
    said: str
    files: dict[str, str | None]


class NoSecrets:
    def value(self, name: str) -> str:
        raise Rejected(f"there is no secret {name}.")


def spec_of(order: Order) -> SandboxSpec:
    words = {
        "language": "shell",
        "code": f"mkdir out; echo once >>out/count; echo begun; sleep {order.nap}; echo ended",
        "collect": ("out/*",),
        "isolation": order.isolation,
    }
    return SandboxSpec.model_validate(words)


async def carried_out(boxes: Sandboxes, order: Order) -> Told:
    try:
        result = await boxes.run(spec_of(order), order.key)
    except InDoubt as doubt:
        return Told(order.key, "in-doubt", str(doubt), {})
    except Unavailable as error:
        return Told(order.key, "again", str(error), {})
    return Told(order.key, "done", result.stdout.text, {file.path: file.text for file in result.files})


async def orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(dsn: str, instance: str) -> None:
    database = await Database.open(dsn, pool_size=4)

    docker = DockerBackend(Engine(URL), instance, warm=1)
    runs = SandboxRuns(database.opened, LEASE)
    boxes = Sandboxes({"container": docker, "process": ProcessSandbox()}, NoSecrets(), runs=runs)

    async def serve(order: Order) -> None:
        print(json.dumps(asdict(await carried_out(boxes, order))), flush=True)

    print("ready", flush=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(boxes.keep_alive())
        tasks.create_task(boxes.reap_forever())
        async for line in await orders():
            tasks.create_task(serve(Order(**json.loads(line))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
