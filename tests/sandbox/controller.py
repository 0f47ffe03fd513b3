"""A process that runs one job in a container and can be killed while it does: `python controller.py INSTANCE KEY CODE`.

It says `starting` when the container is claimed, `saw …` for output, and last the ending as JSON. It forgets nothing.
With `--warm` it claims one from a pool, with `--wait` it starts nothing until it reads a line.
"""

import asyncio
import json
import sys

from resprout.activities.sandbox.backend import Job
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.spec import SandboxSpec


async def starting() -> None:
    print("starting", flush=True)
    if "--wait" in sys.argv:
        await asyncio.to_thread(sys.stdin.readline)


async def main(instance: str, key: str, code: str) -> None:
    backend = DockerBackend(Engine(), instance, warm=int("--warm" in sys.argv))
    spec = SandboxSpec(language="python", code=code, collect=("out/*",))
    await backend.warm_up(spec)
    job = Job(key, spec, "container", starting=starting)
    ending = await backend.run(job, lambda stream, piece: print("saw", stream, piece, flush=True))
    files = {name: content.decode() for name, content in ending.files.items()}
    said = {"ended": ending.ended, "code": ending.exit_code, "stdout": ending.stdout.kept.decode(), "files": files}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
