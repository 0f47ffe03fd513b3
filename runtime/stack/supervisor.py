"""Keeps the services of a stack alive: starts them in order, restarts what dies, stops them in reverse.

One task per service. It waits until everything it stands on was healthy once, then repeats: prepare, start, wait
for health, watch. When the stack stops, it waits until everything that stands on it has stopped. The rules:

- Health is observed, never assumed: a service is healthy when its probe returned.
- Only the first start may fail the stack. Later, a service is tried for ever, with back-off.
- The state file is written at every change and is never needed to find a process: the marks are (process.py).
  A full disk makes it stale for a while, and ends nothing.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ... import __version__
from ...actors.errors import ResproutError, StackError
from ...actors.logger import get_logger
from . import process as processes
from .plan import Plan
from .process import Command
from .service import Service, Unwell
from .services.external import ExternalService
from .services.ours import OurService
from .state import ServiceState, StackState, Status

log = get_logger("resprout.supervisor")

FIRST_PROBES = timedelta(seconds=0.1)
PROBES = timedelta(seconds=2)
PROBE_PATIENCE = timedelta(seconds=10)
FAILED_PROBES_BEFORE_RESTART = 10
ATTEMPTS_BEFORE_UP_FAILS = 3
GOOD_LIFE = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(seconds=10)
MOST_DOUBLINGS = 10  # more change nothing, and in the end would not fit into a float
LOG_BYTES = 20_000_000
HOUSEKEEPING = timedelta(seconds=10)

Listener = Callable[[StackState], None]


class _Health:
    """Judges one life of a service by its probes."""

    def __init__(self, patience: timedelta) -> None:
        self.patience = patience
        self.deadline = time.monotonic() + patience.total_seconds()
        self.was_healthy = False
        self.failed = 0

    def judge(self, reason: str | None) -> str | None:
        """Takes the result of a probe; returns the verdict when this life must end."""
        if reason is None:
            self.was_healthy, self.failed = True, 0
            return None
        self.failed += 1
        if self.was_healthy:
            return reason if self.failed >= FAILED_PROBES_BEFORE_RESTART else None
        if time.monotonic() > self.deadline:
            return f"not healthy after {self.patience.total_seconds():.0f} s: {reason}"
        return None


class Supervisor:
    def __init__(self, plan: Plan, on_change: Listener) -> None:
        self.plan = plan
        self.on_change = on_change
        self.is_untold = False
        self.stopping = asyncio.Event()
        self.healthy_once = {service.name: asyncio.Event() for service in plan.services}
        self.stopped = {service.name: asyncio.Event() for service in plan.services}
        self.begun = time.monotonic()
        self.state = StackState(
            pid=os.getpid(),
            data_dir=plan.paths.data_dir,
            version=__version__,
            started_at=datetime.now(UTC),
            services=[
                ServiceState(
                    name=service.name,
                    external=isinstance(service, ExternalService),
                    endpoint=service.endpoint,
                    version=service.version,
                )
                for service in plan.services
            ],
            settings={".".join(key): value for key, value in plan.leading.items()},
            ports=plan.ports,
        )

    async def run(self) -> None:
        """Returns when the stack was stopped; raises StackError when it could not be started."""
        self._tell()
        await self._clean()
        try:
            async with asyncio.TaskGroup() as tasks:
                for service in self.plan.services:
                    tasks.create_task(self._keep(service), name=service.name)
                tasks.create_task(self._announce())
                tasks.create_task(self._keep_house())
        except* StackError as failures:
            self._phase("failed", str(failures.exceptions[0]))
            raise failures.exceptions[0] from None
        finally:
            await self._clean()
            self.plan.leases.release()
        self._phase("stopped")

    def stop(self) -> None:
        if not self.stopping.is_set():
            self.stopping.set()
            self._phase("stopping")

    async def _announce(self) -> None:
        """Turns the phase to running when every service has been healthy."""
        await self._first(self._all(tuple(self.healthy_once), self.healthy_once), self.stopping.wait())
        if not self.stopping.is_set():
            self.state.seconds_to_healthy = round(time.monotonic() - self.begun, 1)
            self._phase("running")

    async def _keep(self, service: Service) -> None:
        failures = 0
        try:
            await self._first(self._all(service.after, self.healthy_once), self.stopping.wait())
            while not self.stopping.is_set():
                started = time.monotonic()
                reason = await self._try_to_live(service)
                if self.stopping.is_set():
                    break
                was_healthy = self.healthy_once[service.name].is_set()
                lived = time.monotonic() - started > GOOD_LIFE.total_seconds()
                # A long life alone proves nothing: a service that hangs lives until its patience ends.
                failures = 0 if was_healthy and lived else failures + 1
                if not was_healthy and failures >= ATTEMPTS_BEFORE_UP_FAILS:
                    raise StackError(self._obituary(service, reason))
                self._set(service, "restarting", detail=reason, pid=None, restarts=self._of(service).restarts + 1)
                log.warning("service restarts", name=service.name, reason=reason)
                back_off = min(LONGEST_BACK_OFF.total_seconds(), 0.1 * 2 ** min(failures, MOST_DOUBLINGS))
                await self._first(asyncio.sleep(back_off), self.stopping.wait())
                await asyncio.to_thread(processes.sweep, service.leftovers())
        finally:
            if isinstance(service, OurService):
                service.close()
            if self.stopping.is_set():
                await service.leave()
            self._set(service, "stopped", pid=None)
            self.stopped[service.name].set()

    async def _try_to_live(self, service: Service) -> str:
        """A life, or the reason why there was none. Raises StackError only before the service was ever healthy."""
        try:
            return await self._live(service)
        except Exception as error:
            if not isinstance(error, StackError):
                log.exception("a life could not be begun", name=service.name)
                error = StackError(f"{service.name} cannot be kept: {type(error).__name__}: {error}.")
            if self.healthy_once[service.name].is_set():
                return str(error)
            raise error from None

    async def _live(self, service: Service) -> str:
        """One life of a service, from start to end. Returns why it ended."""
        try:
            await service.prepare()
        except ResproutError as error:
            raise StackError(f"{service.name} cannot be started: {error}") from None
        command = service.command()
        if command is None:
            return await self._watch(service, None)
        paths = self.plan.paths
        process = await processes.spawn(command, mark=paths.mark, service=service.name, log=paths.log_of(service.name))
        self._set(service, "starting", pid=process.pid, started_at=datetime.now(UTC))
        try:
            return await self._watch(service, process)
        finally:
            await self._end(service, process, command)

    async def _watch(self, service: Service, process: asyncio.subprocess.Process | None) -> str:
        """Probes until the process ends, falls ill for good, or the stack stops. Returns why."""
        gone: asyncio.Task[Any] = asyncio.create_task(process.wait() if process else asyncio.Event().wait())
        halt = asyncio.create_task(self.stopping.wait())
        health = _Health(service.patience)
        try:
            while not gone.done() and not halt.done():
                reason = await self._probe(service, gone, halt)
                if gone.done() or halt.done():
                    break
                if (verdict := health.judge(reason)) is not None and process is not None:
                    return verdict
                if reason is None:
                    await self._welcome(service)
                    self._set(service, "healthy", detail=None)
                elif health.was_healthy:
                    self._set(service, "unhealthy", detail=reason)
                pause = PROBES if health.was_healthy else FIRST_PROBES
                await asyncio.wait({gone, halt}, timeout=pause.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            halt.cancel()
        return f"exited with {process.returncode}" if process and process.returncode is not None else "stopping"

    async def _welcome(self, service: Service) -> None:
        if not self.healthy_once[service.name].is_set():
            try:
                await service.ready()
            except ResproutError as error:
                raise StackError(f"{service.name} cannot be used: {error}") from None
            self.healthy_once[service.name].set()

    async def _probe(self, service: Service, *until: "asyncio.Task[Any]") -> str | None:
        """Why the service is not well; None when it is, or when one of `until` came first."""
        probe = asyncio.create_task(service.probe())
        await asyncio.wait({probe, *until}, timeout=PROBE_PATIENCE.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        if not probe.done():
            probe.cancel()
            return f"does not answer within {PROBE_PATIENCE.total_seconds():.0f} s"
        error = probe.exception()
        if error is not None and not isinstance(error, Unwell):
            raise error
        return str(error) if error else None

    async def _end(self, service: Service, process: asyncio.subprocess.Process, command: Command) -> None:
        if self.stopping.is_set():
            dependents = [other.name for other in self.plan.services if service.name in other.after]
            await self._all(tuple(dependents), self.stopped)
            self._set(service, "stopping")
        await processes.stop(process, command)

    async def _clean(self) -> None:
        """Ends what an earlier life of this stack left running: children whose supervisor was killed."""

        def leftovers() -> int:
            found = {p.pid: p for service in self.plan.services for p in service.leftovers()}
            found |= {p.pid: p for p in processes.marked(self.plan.paths.mark)}
            return processes.sweep(found.values())

        if count := await asyncio.to_thread(leftovers):
            log.warning("ended processes left over", count=count)

    def _obituary(self, service: Service, reason: str) -> str:
        path = self.plan.paths.log_of(service.name)
        with suppress(OSError):
            lines = path.read_text(errors="replace").strip().splitlines()
            if lines:
                reason += f"; its last words: {lines[-1][-300:]}"
        return f"{service.name} does not start ({reason}). See {path}."

    async def _keep_house(self) -> None:
        while not self.stopping.is_set():
            self._bound_logs()
            if self.is_untold:
                self._tell()
            await self._first(asyncio.sleep(HOUSEKEEPING.total_seconds()), self.stopping.wait())

    def _bound_logs(self) -> None:
        for path in self.plan.paths.logs.glob("*.log"):
            with suppress(OSError):
                if path.stat().st_size > LOG_BYTES:
                    shutil.copyfile(path, path.with_suffix(".log.1"))
                    os.truncate(path, 0)  # every writer appends, so it goes on at the start

    def _of(self, service: Service) -> ServiceState:
        return self.state.service(service.name)

    def _set(self, service: Service, status: Status, **changes: object) -> None:
        entry = self._of(service)
        changes |= {
            "status": status,
            "endpoint": service.endpoint,
            "metrics": service.metrics,
            "instances": list(service.instances),
        }
        if any(getattr(entry, name) != value for name, value in changes.items()):
            for name, value in changes.items():
                setattr(entry, name, value)
            self._tell()

    def _phase(self, phase: str, error: str | None = None) -> None:
        self.state = self.state.model_copy(update={"phase": phase, "error": error})
        self._tell()

    def _tell(self) -> None:
        """A listener that cannot write is told again later."""
        try:
            self.on_change(self.state)
            self.is_untold = False
        except OSError as error:
            self.is_untold = True
            log.error("the state could not be written", reason=str(error))

    @staticmethod
    async def _all(names: tuple[str, ...], events: dict[str, asyncio.Event]) -> None:
        for name in names:
            await events[name].wait()

    @staticmethod
    async def _first(*awaitables: object) -> None:
        """Returns when the first of them is done; the others are cancelled."""
        tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]  # type: ignore[call-overload]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
