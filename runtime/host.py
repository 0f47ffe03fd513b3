"""The one Ray class: a host process, in which agents live.

Ray places hosts and starts them again; it gives them no identity and no order. Messages do not come through Ray but
through the host's own socket; Ray calls ask how it is, where others are, and tell it to drain.
"""

import asyncio
import gc
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from .. import __version__
from ..actors.address import AgentAddress
from ..actors.brain import Brain
from ..actors.calls import Caller
from ..actors.cancelling import cancel
from ..actors.catalogue import describe
from ..actors.delivery import Delivery
from ..actors.envelope import Envelope, Replied
from ..actors.errors import ResproutError
from ..actors.kinds import agent_classes
from ..actors.limits import Limits
from ..actors.logger import get_logger
from ..actors.shards import SHARED, HostSeen, View
from ..actors.store import HostRecord, LeaseLost
from ..actors.tenure import Tenure
from ..memory.database import Database
from ..memory.store import PostgresStore
from .agent_modules import import_agents
from .blocked_loop import BlockedLoop
from .connections import Connections, now
from .host_metrics import export
from .host_server import HostServer
from .minds import mind_of
from .settings import HostsSettings, Settings
from .telemetry import configure_logs, configure_traces, serve_metrics
from .wire import VIEW

log = get_logger("resprout.host")

HOST_PREFIX = "resprout-host/"
PULSE = timedelta(milliseconds=400)
SAY_KINDS_EVERY = 10.0
FORGET_EVERY = 60.0
FORGET_AT_ONCE = 5_000
FORGET_PAUSE = 0.2
LEASE_LOST = 3  # exit code


class Host:
    def __init__(self, name: str, settings: dict[str, Any], log_file: str | None, pool: str = SHARED) -> None:
        """`log_file` is for a host of an embedded stack; elsewhere Ray keeps what a host writes."""
        self.name = name
        self.pool = pool
        self.settings = Settings(**settings)
        self.opening = asyncio.Lock()
        self.life: Life | None = None
        log = Path(log_file).open("a", buffering=1) if log_file else None  # noqa: SIM115 - open as long as we live
        configure_logs(self.settings.telemetry, "host", stream=log)
        configure_traces(self.settings.telemetry, "host")
        import_agents(self.settings.agents)
        self.metrics = serve_metrics(0)

    async def describe(self) -> dict[str, Any]:
        """Answers only when the host can work: its database is open and its shards are its own."""
        life = await self._open()
        return {
            "name": self.name,
            "pid": os.getpid(),
            "metrics": self.metrics.url,
            "shards": len(life.delivery.holdings),
        }

    async def routes(self) -> dict[str, Any] | None:
        life = self.life
        if life is None or not life.delivery.holdings.view.hosts:
            return None
        return {
            "secret": life.server.secret.decode(),
            "view": VIEW.dump_python(life.delivery.holdings.view, mode="json"),
        }

    async def drain(self, seconds: float) -> bool:
        """Whether all agents were handed over in time. What was not is tried again elsewhere."""
        return self.life is None or await self.life.drain(seconds)

    async def _open(self) -> "Life":
        async with self.opening:
            if self.life is None:
                self.life = await Life.begin(self.name, self.pool, self.settings)
            return self.life


class Life:
    """From enrolling to the end of the lease. A host that loses its lease ends its process, and Ray starts another."""

    def __init__(
        self, delivery: Delivery, tenure: Tenure, server: HostServer, store: PostgresStore, remember: timedelta
    ) -> None:
        self.delivery = delivery
        self.tenure = tenure
        self.server = server
        self.store = store
        self.remember = remember
        self.blocked_loop = BlockedLoop()
        self.tasks = [asyncio.create_task(work) for work in (self._rule(), self._say_kinds(), self._forget_handled())]

    @classmethod
    async def begin(cls, name: str, pool: str, settings: Settings) -> "Life":
        assert settings.postgres.dsn is not None
        database = await Database.open(
            settings.postgres.dsn.get_secret_value(),
            pool_size=max(settings.postgres.pool_size, 6),
            application_name=f"resprout {name}",
            resets=False,  # the one session with a lock is ended, never given back: see memory/leases.py
        )
        store = PostgresStore(database)
        outside = Outside()
        delivery = Delivery(uuid4(), store, outside, now, _limits(settings.hosts))
        outside.delivery = delivery
        server = HostServer(delivery, await store.secret(), outside.answer)
        address = await server.open(_own_address(settings))
        outside.begin(server.secret.decode(), address)
        record = HostRecord(delivery.station.host, name, pool, address, _node(), os.getpid(), __version__)
        tenure = Tenure(record, store, delivery, pulse=PULSE, seen=outside.see)
        outside.tenure = tenure
        Brain.mind = mind_of(settings, database)
        export(delivery)
        # What lives here lives long: looking through it again and again for garbage halves the throughput.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        return cls(delivery, tenure, server, store, timedelta(days=settings.hosts.handled_days))

    async def drain(self, seconds: float) -> bool:
        await self.tenure.drain()
        done, _ = await asyncio.wait({self.tasks[0]}, timeout=seconds)
        if done and Brain.mind is not None:
            await Brain.mind.settled()
        return bool(done)

    async def _rule(self) -> None:
        try:
            await self._until_drained()
        except LeaseLost as error:
            log.error("lease lost, this host ends", host=str(self.delivery.station.host), error=str(error))
        except Exception:
            log.exception("the host cannot go on")
        else:
            log.info("drained", host=str(self.delivery.station.host))
            return
        self.delivery.lose_all()
        os._exit(LEASE_LOST)

    async def _until_drained(self) -> None:
        """A host that holds shards and no longer delivers would keep others from doing it: neither lives alone."""
        tenure, delivering = asyncio.create_task(self.tenure.run()), asyncio.create_task(self.delivery.run())
        self.tasks += [tenure, delivering]
        await asyncio.wait({tenure, delivering}, return_when=asyncio.FIRST_COMPLETED)
        await (delivering if delivering.done() else tenure)

    async def _say_kinds(self) -> None:
        kinds = {kind.kind: (kind.options.version, describe(kind)) for kind in agent_classes()}
        while True:
            with suppress(ResproutError):  # said again soon
                await self.store.say_kinds(kinds)
            await asyncio.sleep(SAY_KINDS_EVERY)

    async def _forget_handled(self) -> None:
        """All hosts try; the store lets one at a time. Between two batches turns have the disk for themselves."""
        while True:
            gone = 0
            with suppress(ResproutError):  # tried again soon
                gone = await self.store.forget_handled(self.remember, FORGET_AT_ONCE)
            await asyncio.sleep(FORGET_PAUSE if gone == FORGET_AT_ONCE else FORGET_EVERY)


class Outside:
    """The other hosts, as this one sees them; and what they, and callers, ask this one about itself."""

    delivery: Delivery
    tenure: Tenure

    def begin(self, secret: str, own_address: str) -> None:
        self.own_address = own_address
        self.connections = Connections(self, now)
        self.connections.secret = secret
        self.caller = Caller(self.connections, now)

    def see(self, view: View) -> None:
        self.caller.routes.learn(view)

    async def find(self) -> tuple[str, View]:
        return self.connections.secret, self.delivery.holdings.view

    async def ask(self, envelope: Envelope) -> Replied:
        return await self.caller.ask(envelope)

    async def tell(self, envelope: Envelope, until: datetime) -> None:
        await self.caller.tell(envelope, until)

    def wake(self, host: HostSeen) -> None:
        self.connections.wake(host)

    async def answer(self, question: dict[str, Any]) -> Any:
        match question.get("what"):
            case "view":
                return VIEW.dump_python(self.delivery.holdings.view, mode="json")
            case "wake":
                self.delivery.mail_waits.set()
                return True
            case "stop":
                return await self.delivery.stop(AgentAddress.parse(question["agent"]))
            case "speech":
                said = Brain.mind.speech(str(question["agent"])) if Brain.mind is not None else None
                return said.model_dump() if said is not None else None
            case "cancel":
                return cancel(self.delivery, AgentAddress.parse(question["agent"]), UUID(question["message"]))
            case other:
                log.warning("unknown question", what=other)
                return None


def _limits(settings: HostsSettings) -> Limits:
    return Limits(
        lease=timedelta(seconds=settings.lease_seconds),
        margin=timedelta(seconds=settings.lease_seconds / 5),
        most_in_memory=settings.agents_in_memory,
        idle=timedelta(seconds=settings.idle_seconds),
        tenant_rows=settings.tenant_rows,
        tenant_bytes=settings.tenant_bytes,
    )


def _own_address(settings: Settings) -> str:
    if settings.ray.loopback:
        return "127.0.0.1"
    import ray

    return str(ray.util.get_node_ip_address())


def _node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())
