"""llama.cpp with its own HTTP server, loaded when it is asked for the first time.

When nobody has asked for `idle_seconds` it puts weights and caches out of memory by itself, and loads them again at the
next call. One process, one engine: what crashes it takes the process along, and the supervisor starts both again.
"""

import asyncio
import os
from typing import Any

from .serving import Serving

# Of threads that wait for each other by spinning, a single other process on the same core makes snails: with two
# threads on two busy cores 7 tokens/s instead of 70. Read by the library of threads when the engine is imported.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
HTTP_THREADS = 64  # each holds one request that is heard or waits for a slot
ERRORS_ONLY = 1


class LoadFailed(Exception):
    """The weights could not be loaded; the text says why."""


class Engine:
    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._server: Any = None
        self._loading = asyncio.Lock()

    async def port(self) -> int:
        """Where it listens, loading it first if need be. LoadFailed is tried anew by the next who asks."""
        async with self._loading:
            if self._server is None:
                self._server = await asyncio.to_thread(_load, self.serving)
        return int(self._server.listening_address.rpartition(":")[2])


def _load(serving: Serving) -> Any:
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    import xllamacpp  # 106 MB that nobody needs before

    try:
        return xllamacpp.Server(_params(xllamacpp.CommonParams(), serving))
    except Exception as error:  # noqa: BLE001 - of the engine, which has no type of its own
        raise LoadFailed(f"the weights {serving.weights} could not be loaded: {error}") from None


def _params(params: Any, serving: Serving) -> Any:
    params.model.path, params.model_alias = serving.weights, {serving.name}
    params.n_parallel, params.n_ctx = serving.slots, serving.slots * serving.window
    params.kv_unified = False  # each slot has its own window: what one conversation holds, another cannot lose
    # Reading is shared well; writing waits for memory, and more threads only wait together: 2 take 35 % more than 1.
    params.cpuparams_batch.n_threads = serving.threads
    params.cpuparams.n_threads = max(1, serving.threads // 2)
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.cache_ram_mib = 0  # its cache of prompts beside the slots may grow to 8 GB
    params.fit_params = False  # it would choose another window where memory is short, without a word
    params.warmup = False
    params.sleep_idle_seconds = serving.idle_seconds
    params.hostnames, params.port, params.n_threads_http = ["127.0.0.1"], 0, HTTP_THREADS
    params.ui = params.endpoint_slots = False  # the latter shows to anybody what others ask
    params.cors_origins = "null"  # no page in a browser of this machine may read it
    params.verbosity = ERRORS_ONLY
    return params
