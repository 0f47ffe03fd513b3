"""A host's session in Postgres may end before the host does."""

import asyncio

from resprout.memory.database import Database
from resprout.memory.pools import LOCK_CLASS
from resprout.memory.store import PostgresStore
from support.counting import Count, Increment
from support.house import HostHere, House
from support.waiting import until, until_found

HAS_LOCK = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND pid = $3"


def store_of(host: HostHere) -> PostgresStore:
    assert isinstance(host.store, PostgresStore)
    return host.store


async def pid_of_session(host: HostHere) -> int:
    """Without a question to it: the session is the pulse's."""
    pid: int = store_of(host).session.get_server_pid()
    return pid


async def has_lock_again(host: HostHere, database: Database, lost: int) -> None:
    await until(lambda: store_of(host).session is not None and store_of(host).locked)
    pid = await pid_of_session(host)
    assert pid != lost
    assert await database.pool.fetchval(HAS_LOCK, LOCK_CLASS, store_of(host).slot, pid) == 1


async def renewed(host: HostHere) -> None:
    """Until the lease has been renewed once more."""
    before = host.tenure.lease.ends
    await until(lambda: host.tenure.lease.ends != before)


async def test_a_host_outlives_its_session_and_has_its_lock_again(house: House, database: Database) -> None:
    (host,) = house.hosts.values()
    await house.asks("tally/a", Increment())
    lost = await pid_of_session(host)
    held = list(host.delivery.holdings)

    await database.pool.execute("SELECT pg_terminate_backend($1)", lost)

    await renewed(host)
    await has_lock_again(host, database, lost)
    assert list(host.delivery.holdings) == held
    assert await house.asks("tally/a", Increment()) == Count(count=2)


async def test_a_host_renews_its_lease_while_its_lock_is_still_taken_by_the_session_before(
    house: House, database: Database
) -> None:
    (host,) = house.hosts.values()
    await house.asks("tally/a", Increment())
    lost = await pid_of_session(host)
    async with database.pool.acquire() as ghost:  # as after a broken network: somebody still has the lock
        waiting = asyncio.ensure_future(
            ghost.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, store_of(host).slot)
        )
        await until_found(lambda: database.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        await database.pool.execute("SELECT pg_terminate_backend($1)", lost)
        await waiting

        await renewed(host)
        assert not store_of(host).locked
        assert await house.asks("tally/a", Increment()) == Count(count=2)

        await ghost.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, store_of(host).slot)
    await has_lock_again(host, database, lost)


async def test_a_renewal_that_hangs_is_tried_again_on_another_session(house: House, database: Database) -> None:
    (host,) = house.hosts.values()
    await house.asks("tally/a", Increment())
    lost = await pid_of_session(host)
    hanging = store_of(host).session
    async with database.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM resprout.hosts WHERE id = $1 FOR UPDATE", host.record.id)
        await until(lambda: store_of(host).session is not hanging)

    await renewed(host)
    await has_lock_again(host, database, lost)
