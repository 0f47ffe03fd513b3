"""How long it is remembered that a message was handled.

The invariant: a mark does not go while its message can still come from our own tables. A row in a mailbox or among
the dead letters may be a second copy of a message that was handled; without the mark it would be handled again.
What comes from outside after that time is a new message to us.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from opentelemetry import trace

from .translated import translated

if TYPE_CHECKING:
    import asyncpg

tracer = trace.get_tracer("resprout.memory")

ONE_AT_A_TIME = 0x7265_7371  # an advisory lock; any number that nobody else in this database uses

# The lock is of this statement's transaction: a host that is stopped in the middle keeps nobody from it for long.
FORGET = f"""
WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock({ONE_AT_A_TIME}) AS ours),
gone AS (
    DELETE FROM resprout.handled WHERE ctid = ANY (ARRAY(
        SELECT h.ctid FROM resprout.handled h
        WHERE (SELECT ours FROM alone) AND h.handled_at < now() - $1::interval
          AND NOT EXISTS (SELECT FROM resprout.mailbox b
                          WHERE b.kind = h.kind AND b.key = h.key AND b.message_id = h.message_id)
          AND NOT EXISTS (SELECT FROM resprout.dead_letters d
                          WHERE d.kind = h.kind AND d.key = h.key AND d.message_id = h.message_id)
        ORDER BY h.handled_at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""


class Retention:
    pool: "asyncpg.Pool[asyncpg.Record]"

    async def forget_handled(self, older_than: timedelta, most: int) -> int:
        """How many marks went; 0 also while another host is at it."""
        with translated(), tracer.start_as_current_span("sql.forget_handled"):
            gone: int = await self.pool.fetchval(FORGET, older_than, most)
        return gone
