"""The fence: every write names the shards it works in, with their epochs, and is bound to those that still hold.

FOR SHARE makes a host that takes over a shard wait for the writes in flight, and makes writes that come later see
the new epoch: nothing of a superseded epoch commits, however late it arrives. Each use is one statement and so one
transaction on the server: a host that is stopped in the middle keeps no lock.

A batch may claim one shard under two epochs, an old one and the one that holds. So each row of a batch names its claim,
not its shard: by the shard alone, what comes under the old epoch would pass because the new one holds.
"""

from collections.abc import Iterable, Sequence

from ..actors.store import Held

# $1 ids and $2 epochs of the shards, $3 the host.
FENCE = """
fence AS MATERIALIZED (
    SELECT claimed.claim, s.id, s.epoch FROM resprout.shards s
    JOIN unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS claimed (id, epoch, claim)
         ON s.id = claimed.id AND s.epoch = claimed.epoch
    WHERE s.host = $3 ORDER BY s.id FOR SHARE OF s
)"""


def fence_of(held: Iterable[Held]) -> tuple[list[int], list[int]]:
    distinct = sorted(set(held))
    return [one.id for one in distinct], [one.epoch for one in distinct]


def claims_of(held: Sequence[Held]) -> list[int]:
    """For each, which of the claims of `fence_of` it is."""
    numbers = {one: number for number, one in enumerate(sorted(set(held)), 1)}
    return [numbers[one] for one in held]
