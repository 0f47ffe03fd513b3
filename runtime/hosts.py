"""`resprout join`: puts hosts on a Ray cluster, watches them, and takes them away when it ends.

The hosts belong to this process: Ray ends them when it dies. While it lives, Ray starts a dead host again.
"""

import asyncio
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..actors.agent import Agent
from ..actors.errors import NotRunning
from ..actors.kinds import agent_classes
from ..actors.logger import get_logger
from ..actors.options import DedicatedHosts
from ..actors.waiting import wait_until_set
from ..memory.database import check
from ..memory.migrate import pending
from . import ray_link
from .agent_modules import import_agents
from .host import HOST_PREFIX, Host
from .notify import STATE_FIELD, notify
from .settings import STACK_MARK, Settings, as_plain
from .stack.paths import StackPaths

log = get_logger("resprout.hosts")

CALLS_AT_ONCE = 1000
PULSE_SECONDS = 1.0
PULSE_PATIENCE_SECONDS = 3.0
PATIENCE_SECONDS = 60.0
DEDICATED_PATIENCE_SECONDS = 10.0
GRACE_SECONDS = 10.0
MISSED_PULSES_BEFORE_RESTART = 3


@dataclass
class Seat:
    """A place that one host fills: the actor's handle stays, the process behind it may change."""

    name: str
    actor: Any
    pid: int = 0
    restarts: int = 0
    metrics: str | None = None
    missed: int = 0
    needs: str = ""  # of its node; empty: nothing
    first: "asyncio.Future[Any] | None" = None  # the answer to the first question, while Ray looks for a node

    def public(self) -> dict[str, Any]:
        return {"name": self.name, "pid": self.pid, "restarts": self.restarts, "metrics": self.metrics}


async def run(settings: Settings) -> None:
    assert settings.postgres.dsn is not None
    dsn = settings.postgres.dsn.get_secret_value()
    await check(dsn)
    if missing := await pending(dsn):
        raise NotRunning(f"the database lacks {', '.join(missing)}. Say `resprout migrate` first.")
    import_agents(settings.agents)  # a mistake in them is told here in a sentence, not by Ray in a traceback
    await ray_link.connect(settings.ray)
    halt = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, halt.set)
    shared = [await asyncio.to_thread(_place, number, settings) for number in range(settings.hosts.count)]
    dedicated = [await asyncio.to_thread(_place_dedicated, kind, n, settings) for kind, n in _dedicated()]
    seats = shared + dedicated
    await asyncio.gather(*(_first_pulse(seat) for seat in shared), *(_first_look(seat) for seat in dedicated))
    log.info("hosts ready", hosts=[seat.public() for seat in seats])
    _tell(seats, READY=1)
    await _watch(seats, halt)
    log.info("draining hosts")
    notify(STOPPING=1)
    await asyncio.gather(*(_drain(seat) for seat in seats if seat.pid))
    await asyncio.to_thread(_remove, seats)


def _place(number: int, settings: Settings) -> Seat:
    import ray

    name = f"{HOST_PREFIX}{socket.gethostname()}-{os.getpid()}-{number}"
    options = {
        "name": name,
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": CALLS_AT_ONCE,
        # On the node of this process, so that `join` on each node gives each node its hosts.
        "scheduling_strategy": ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        ),
    }
    actor = ray.remote(Host).options(**options).remote(name, as_plain(settings), _log_file(number))
    return Seat(name, actor)


def _dedicated() -> list[tuple[type[Agent], int]]:
    return [(kind, n) for kind in agent_classes() for n in range(kind.options.hosts.count if kind.options.hosts else 0)]


def _place_dedicated(kind: type[Agent], number: int, settings: Settings) -> Seat:
    """A host that only this kind lives on, wherever Ray has the resources."""
    import ray

    wanted = kind.options.hosts
    assert wanted is not None
    name = f"{HOST_PREFIX}{socket.gethostname()}-{os.getpid()}-{kind.kind}-{number}"
    options = {
        "name": name,
        "num_cpus": wanted.cpus,
        "num_gpus": wanted.gpus,
        "memory": wanted.memory_bytes or None,
        "resources": dict(wanted.resources) or None,
        "max_restarts": -1,
        "max_task_retries": 0,
        "max_concurrency": CALLS_AT_ONCE,
    }
    log_file = _log_file(f"{kind.kind}-{number}")
    actor = ray.remote(Host).options(**options).remote(name, as_plain(settings), log_file, kind.kind)
    return Seat(name, actor, needs=_needs(wanted))


def _needs(wanted: DedicatedHosts) -> str:
    memory = f"{wanted.memory_bytes:,} bytes of memory" if wanted.memory_bytes else ""
    named = [f"{amount:g} {name}" for name, amount in wanted.resources.items()]
    cpus, gpus = (f"{n:g} {what}" if n else "" for n, what in ((wanted.cpus, "CPUs"), (wanted.gpus, "GPUs")))
    return ", ".join(part for part in (cpus, gpus, memory, *named) if part)


def _log_file(number: int | str) -> str | None:
    """Among the logs of the stack that started us, if one did."""
    mark = os.environ.get(STACK_MARK)
    return str(StackPaths(Path(mark)).log_of(f"host-{number}")) if mark else None


async def _first_pulse(seat: Seat) -> None:
    try:
        await _pulse(seat, PATIENCE_SECONDS)
    except Exception as error:
        why = str(error) or f"no answer in {PATIENCE_SECONDS:.0f} s"
        raise NotRunning(f"host {seat.name} did not start: {why}") from error


async def _first_look(seat: Seat) -> None:
    """A node for it may come later, or never; meanwhile everybody else works."""
    await _placed(seat, DEDICATED_PATIENCE_SECONDS)
    if seat.pid == 0:
        log.error("no node has what this host needs; its agents wait until one joins", host=seat.name, needs=seat.needs)


async def _placed(seat: Seat, timeout: float) -> None:
    """Looks whether Ray has found a node for it."""
    if seat.first is None:
        seat.first = asyncio.ensure_future(_described(seat))
    await asyncio.wait({seat.first}, timeout=timeout)
    if seat.first.done():
        first, seat.first = seat.first, None
        if (error := first.exception()) is not None:
            log.warning("host does not come up", host=seat.name, error=f"{type(error).__name__}: {error}")
            return
        seat.pid, seat.metrics = first.result()["pid"], first.result()["metrics"]
        log.info("host ready", **seat.public())


async def _described(seat: Seat) -> dict[str, Any]:
    found: dict[str, Any] = await seat.actor.describe.remote()
    return found


async def _pulse(seat: Seat, timeout: float) -> None:
    found = await asyncio.wait_for(_described(seat), timeout)
    if seat.pid not in (0, found["pid"]):
        seat.restarts += 1
        log.warning("host restarted", host=seat.name, pid=found["pid"])
    seat.pid, seat.metrics, seat.missed = found["pid"], found["metrics"], 0


async def _watch(seats: list[Seat], halt: asyncio.Event) -> None:
    """Tells the supervisor how the hosts are. It watches this process, this process watches the hosts."""
    while not halt.is_set():
        await asyncio.gather(*(_check(seat) for seat in seats))
        away = [seat.name for seat in seats if seat.missed]
        if away and not await ray_link.alive():
            log.error("the Ray cluster is gone, starting anew")
            ray_link.restart_process()
        unwell = f"no answer from {', '.join(away)}" if away else None
        _tell(seats, WATCHDOG=1, unwell=unwell)
        await wait_until_set(halt, PULSE_SECONDS)


def _tell(seats: list[Seat], *, unwell: str | None = None, **fields: int) -> None:
    notify(**fields, **{STATE_FIELD: {"instances": [seat.public() for seat in seats if seat.pid], "unwell": unwell}})


async def _check(seat: Seat) -> None:
    if seat.pid == 0:
        await _placed(seat, 0)
        return
    try:
        await _pulse(seat, PULSE_PATIENCE_SECONDS)
    except TimeoutError:  # its process lives and hangs
        seat.missed += 1
        log.warning("host does not answer", host=seat.name, missed=seat.missed)
        if seat.missed >= MISSED_PULSES_BEFORE_RESTART:
            await asyncio.to_thread(_kill, seat)
            seat.missed = 1
    except Exception as error:  # noqa: BLE001 - Ray raises many things for a host that is away
        # Ray is starting it again, or it says what it lacks. To kill it would begin that anew: several hosts that start
        # at once, or without Postgres, need longer than it takes to miss a few pulses, and would never come up.
        seat.missed = 1
        log.warning("host is away", host=seat.name, error=type(error).__name__)


async def _drain(seat: Seat) -> None:
    try:
        ended = await asyncio.wait_for(seat.actor.drain.remote(GRACE_SECONDS), GRACE_SECONDS + 2)
    except Exception as error:  # noqa: BLE001 - a host that does not answer has nothing to wait for
        log.warning("host does not drain", host=seat.name, error=type(error).__name__)
        return
    if not ended:
        log.warning("turns were cut short and will be tried again elsewhere", host=seat.name)


def _kill(seat: Seat) -> None:
    import ray

    ray.kill(seat.actor, no_restart=False)


def _remove(seats: list[Seat]) -> None:
    import ray

    for seat in seats:
        ray.kill(seat.actor)
    ray.shutdown()
