"""Two hosts under load, and something is killed or stopped: nothing is lost, nothing happens twice, order stays.

Every acknowledged message is looked for in the agents' own journals, which count each message id. This process
hears of every attempt at work besides: a message that was acknowledged must have been worked on.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import psutil
import pytest
from resprout.actors.errors import Broken
from resprout.actors.ids import new_id
from resprout.runtime.client import AgentRef, Client
from resprout.runtime.connections import Connections
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from support.journal import REPORT_TO, Contents, Die, Read, Write
from support.stack import Stack, eventually, kill, stack_of

AGENTS = 12
LOAD_SECONDS = 4.0
PATIENCE = timedelta(seconds=150)  # longer than any fault lasts


@pytest.fixture(scope="module")
def attempts() -> Iterator["Attempts"]:
    with Attempts() as attempts:
        yield attempts


@pytest.fixture(scope="module")
def stack(attempts: "Attempts") -> Iterator[Stack]:
    env = {
        "RESPROUT_AGENTS_MODULES": "support.journal",
        "RESPROUT_AGENTS_PATH": str(Path(__file__).resolve().parents[1]),
        "RESPROUT_HOSTS_COUNT": "2",
        "RESPROUT_HOSTS_LEASE_SECONDS": "3",
        REPORT_TO: attempts.address,
    }
    with stack_of(env) as stack:
        stack.up()
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    stack.wait_healthy()
    settings = attach(Settings(data_dir=stack.data_dir), "postgres.dsn")
    async with await Client.connect(settings) as client:
        yield client


class Attempts:
    """Hears of every attempt, whatever becomes of it."""

    def __enter__(self) -> "Attempts":
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.heard: Counter[str] = Counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def listen(self) -> Counter[str]:
        while True:
            try:
                self.heard[self.socket.recv(1000).decode().split()[0]] += 1
            except BlockingIOError:
                return self.heard


@dataclass
class Sent:
    """What was acknowledged, by agent."""

    asked: dict[str, set[UUID]] = field(default_factory=dict)
    told: dict[str, set[UUID]] = field(default_factory=dict)
    passed_on: int = 0


def kill_a_host(stack: Stack) -> None:
    kill(stack.host_pids()[0])


def stop_a_host_beyond_its_lease(stack: Stack) -> None:
    """It goes on writing when it wakes up: what it writes then must not count."""
    process = psutil.Process(stack.host_pids()[0])
    process.suspend()
    try:
        eventually(lambda: process.pid not in stack.host_pids(), "the stopped host is replaced", 60)
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def stop_postgres_beyond_the_lease(stack: Stack) -> None:
    """No host can renew: each must stop writing and end before anybody else could think it dead."""
    postmaster = psutil.Process(stack.pid("postgres"))
    processes = [*postmaster.children(recursive=True), postmaster]
    before = set(stack.host_pids())
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a backend comes and goes
            process.suspend()
    try:
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in before), "the hosts have ended", 60)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def kill_postgres(stack: Stack) -> None:
    kill(stack.pid("postgres"))


def kill_both_hosts(stack: Stack) -> None:
    for pid in stack.host_pids():
        kill(pid)


def raylet(stack: Stack) -> psutil.Process:
    processes = psutil.Process(stack.pid("ray")).children(recursive=True)
    return next(process for process in processes if process.name() == "raylet")


def kill_the_raylet(stack: Stack) -> None:
    """Ray ends the hosts of a node with it; the head is started again, and they on it."""
    before = set(stack.host_pids())
    raylet(stack).kill()
    eventually(lambda: not before & set(stack.host_pids()), "other hosts have begun", 120)


def stop_the_raylet(stack: Stack) -> None:
    """Messages do not come through Ray: the hosts that it started go on without it."""
    process = raylet(stack)
    process.suspend()
    try:
        for n in range(3):
            done = stack("agent", "ask", f"journal/meanwhile-{n}", "journal.read")
            assert done.returncode == 0, done.stderr
    finally:
        process.resume()


def end_the_connections_to_postgres(stack: Stack) -> None:
    postmaster = psutil.Process(stack.pid("postgres"))
    for backend in postmaster.children():
        with suppress(psutil.NoSuchProcess):
            if "resprout resprout" in " ".join(backend.cmdline()):
                backend.terminate()


FAULTS = [
    kill_a_host,
    kill_both_hosts,
    stop_a_host_beyond_its_lease,
    kill_the_raylet,
    stop_the_raylet,
    kill_postgres,
    stop_postgres_beyond_the_lease,
    end_the_connections_to_postgres,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_doubled_or_out_of_order(
    stack: Stack, client: Client, attempts: Attempts, fault: Callable[[Stack], None]
) -> None:
    name = new_id().hex[-6:]
    agents = [client.agent(f"journal/{name}-{n}") for n in range(AGENTS)]
    sent = Sent()
    stop = asyncio.Event()
    work = [asyncio.create_task(write(agents, n, sent, stop, attempts)) for n in range(AGENTS)]
    await asyncio.sleep(LOAD_SECONDS / 2)

    await asyncio.to_thread(fault, stack)

    await asyncio.sleep(LOAD_SECONDS / 2)
    stop.set()
    await asyncio.gather(*work)
    await all_is_well(agents, sent, attempts)


async def test_replies_that_are_lost_double_nothing(stack: Stack, client: Client, attempts: Attempts) -> None:
    """The caller's connections are cut again and again while answers are on their way."""
    name = new_id().hex[-6:]
    agents = [client.agent(f"journal/{name}-{n}") for n in range(AGENTS)]
    sent = Sent()
    stop = asyncio.Event()
    work = [asyncio.create_task(write(agents, n, sent, stop, attempts)) for n in range(AGENTS)]
    connections = cast("Connections", client.caller.transport)
    cuts = 0

    for _ in range(100):
        await asyncio.sleep(LOAD_SECONDS / 100)
        for connection in list(connections.open.values()):
            cuts += bool(connection.pending)
            connection.drop()

    stop.set()
    await asyncio.gather(*work)
    assert cuts > 10, "no cut met an answer on its way"
    await all_is_well(agents, sent, attempts)


async def test_an_ask_that_ends_every_host_that_has_it_is_refused_in_the_end(client: Client) -> None:
    agent = client.agent(f"journal/deadly-{new_id().hex[-6:]}")

    with pytest.raises(
        Broken, match=rf"{agent.address} did not answer `journal.die`: [3-5] hosts were lost .* 2 of them in"
    ):
        await agent.ask(Die(), timeout=timedelta(seconds=120))

    assert (await read(agent)).times == {}


async def all_is_well(agents: list[AgentRef], sent: Sent, attempts: Attempts) -> None:
    await drained(agents, sent)
    contents = [await read(agent) for agent in agents]
    for agent, content in zip(agents, contents, strict=True):
        key = str(agent.address)
        acknowledged = {str(one) for one in sent.asked.get(key, set()) | sent.told.get(key, set())}
        assert acknowledged <= content.times.keys(), "an acknowledged message was lost"
        assert set(content.times.values()) <= {1}, "a message had its effect twice"
        assert content.disorder == 0, "messages of one sender were handled out of order"
        assert acknowledged <= attempts.listen().keys()
    assert sum(len(content.times) for content in contents) >= sent.passed_on
    assert sum(len(ids) for ids in sent.asked.values()) > AGENTS


async def write(agents: list[AgentRef], n: int, sent: Sent, stop: asyncio.Event, attempts: Attempts) -> None:
    """One sender: asks, tells, and lets its agent tell the next one."""
    own, other = agents[n], agents[(n + 1) % len(agents)]
    number = 0
    while not stop.is_set():
        number += 1
        one, two = new_id(), new_id()
        message = Write(sender=f"sender-{n}", number=number, tell=str(other.address) if number % 5 == 0 else None)
        await own.ask(message, id=one, timeout=PATIENCE)
        sent.asked.setdefault(str(own.address), set()).add(one)
        sent.passed_on += message.tell is not None
        await own.tell(Write(sender=f"teller-{n}", number=number), id=two, timeout=PATIENCE)
        sent.told.setdefault(str(own.address), set()).add(two)
        attempts.listen()


async def drained(agents: list[AgentRef], sent: Sent) -> None:
    """Until what was told, and what agents told each other, has arrived."""
    wanted = sum(len(ids) for ids in (*sent.asked.values(), *sent.told.values())) + sent.passed_on
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while sum([len((await read(agent)).times) for agent in agents]) < wanted:
            await asyncio.sleep(0.1)


async def read(agent: AgentRef) -> Contents:
    contents = await agent.ask(Read(), timeout=PATIENCE)
    assert isinstance(contents, Contents)
    return contents
