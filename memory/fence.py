"""The fence: every write names the shards it works in, with their epochs, and is bound to those that still hold.

FOR SHARE makes a host that takes over a shard wait for the writes in flight, and makes writes that come later see
the new epoch: nothing of a superseded epoch commits, however late it arrives. Each use is one statement and so one
transaction on the server: a host that is stopped in the middle keeps no lock.
"""

from collections.abc import Iterable

from ..actors.store import Held

# $1 ids and $2 epochs of the shards, $3 the host.
FENCE = """
fence AS MATERIALIZED (
    SELECT s.id FROM resprout.shards s
    JOIN unnest($1::integer[], $2::bigint[]) AS claimed (id, epoch) ON s.id = claimed.id AND s.epoch = claimed.epoch
    WHERE s.host = $3 ORDER BY s.id FOR SHARE OF s
)"""


def fence_of(held: Iterable[Held]) -> tuple[list[int], list[int]]:
    distinct = sorted(set(held))
    return [one.id for one in distinct], [one.epoch for one in distinct]
