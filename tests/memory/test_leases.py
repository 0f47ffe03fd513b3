"""Who lives, by the locks and leases in a real Postgres."""

import asyncio
from datetime import timedelta

import asyncpg
from resprout.memory.database import Database
from resprout.memory.pools import LOCK_CLASS
from resprout.memory.store import PostgresStore
from support.shards import holder
from support.waiting import until_found

LOCKS_HERE = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objid = $1
"""
SHORT = timedelta(seconds=2)


async def test_a_lock_in_another_database_of_the_server_keeps_nobody_alive(postgres: str, dsn: str) -> None:
    async with await Database.open(dsn) as database:
        gone, looking = PostgresStore(database), PostgresStore(database)
        ended, observer = await holder(gone), await holder(looking)
        async with asyncio.timeout(20):  # a server that has just begun says nothing of sessions
            while await database.pool.fetchval("SELECT clock_timestamp() - pg_postmaster_start_time()") < SHORT:
                await asyncio.sleep(0.05)
        elsewhere = await asyncpg.connect(postgres)
        await elsewhere.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, gone.slot)
        gone.abandon()
        await until_found(lambda: database.pool.fetchval(LOCKS_HERE, gone.slot), lambda found: not found)
        await database.pool.execute(
            "UPDATE resprout.hosts SET lease_until = clock_timestamp() + interval '1.1 s' WHERE id = $1", ended.id
        )

        view = await looking.renew(observer.id, SHORT, {})

        assert not view.hosts[ended.id].alive
        await elsewhere.close()
        looking.abandon()
