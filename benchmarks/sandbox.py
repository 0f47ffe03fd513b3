"""What a run in a sandbox costs beside a bare `docker run` of the same image, for `python3 -c "print(1)"`.

    python benchmarks/sandbox.py [--quick] [--json]

In turns, alone and eight at once, medians and 95th percentiles. `docker_warm`: a container from the warm pool, until
its result is here; `docker_warm_settled`: until it is removed as well and the pool full again, which nobody waits for;
`docker_cold`: one made for the run; `process`: bubblewrap. No turn begins before the one before it has settled. The
ratios are to `docker run --rm --network none`, started as its command line does it, in the same run. Needs a Docker
engine with the images (`resprout sandbox images build`).
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from measuring.report import keep_stdout, measure, print_report
from resprout.activities.sandbox.backend import Backend, Job, unwatched
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.images import image_name
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.spec import Isolation, SandboxSpec

SPEC = SandboxSpec(language="python", run=("python3", "-c", "print(1)"))
WARM = 8
SETTLED = "docker_warm_settled"
TARGETS = {"docker_warm": 0.5, "process": 0.15}

Once = Callable[[], Awaitable[None]]


async def bare() -> None:
    words = ("docker", "run", "--rm", "--network", "none", image_name("python"), "python3", "-c", "print(1)")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert said == b"1\n", said


def through(backend: Backend, isolation: Isolation) -> Once:
    async def once() -> None:
        job = Job(uuid4().hex, SPEC, isolation)
        ending = await backend.run(job, unwatched)
        assert ending.stdout.kept == b"1\n", ending
        await backend.forget(job.key)

    return once


async def timed(once: Once, at_once: int) -> list[float]:
    async def one() -> float:
        began = time.perf_counter()
        await once()
        return time.perf_counter() - began

    return list(await asyncio.gather(*(one() for _ in range(at_once))))


async def run(*, quick: bool) -> dict[str, Any]:
    warm = DockerBackend(Engine(), f"bench-{uuid4().hex}", warm=WARM)
    cold = DockerBackend(Engine(), f"bench-{uuid4().hex}", warm=0)
    process = ProcessSandbox()
    ways: dict[str, Once] = {
        "bare": bare,
        "docker_warm": through(warm, "container"),
        "docker_cold": through(cold, "container"),
        "process": through(process, "process"),
    }
    measures: dict[str, Any] = {}
    try:
        await warm.warm_up(SPEC)
        for at_once, rounds in ((1, 7 if quick else 41), (8, 2 if quick else 9)):
            taken: dict[str, list[float]] = {name: [] for name in (*ways, SETTLED)}
            for _ in range(rounds):
                for name, once in ways.items():
                    began = time.perf_counter()
                    taken[name] += await timed(once, at_once)
                    await asyncio.gather(warm.settled(), cold.settled())
                    if name == "docker_warm":
                        taken[SETTLED].append(time.perf_counter() - began)
            measures |= _measures(taken, at_once)
    finally:
        for backend in (warm, cold, process):
            await backend.close()
    return measures


def _measures(taken: dict[str, list[float]], at_once: int) -> dict[str, Any]:
    suffix = "" if at_once == 1 else f"_{at_once}_at_once"
    found: dict[str, Any] = {}
    for percent in (50, 95):
        last = suffix + ("_p95" if percent == 95 else "")
        base = _at(taken["bare"], percent)
        for name in ("docker_warm", SETTLED, "docker_cold", "process"):
            ours, target = _at(taken[name], percent), TARGETS.get(name)
            said = f"under {target} times" if target else ""
            ok = target is None or ours < target * base
            found[name + last] = measure(ours * 1000, "ms", said, ok=ok, baseline=base * 1000)
    return found


def _at(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    given = parser.parse_args()
    keep_stdout()
    measures = asyncio.run(run(quick=given.quick))
    print_report("sandbox", measures, as_json=given.json)


if __name__ == "__main__":
    main()
