"""Where a message to an agent goes: which shard its mailbox rows carry, and whether there is room for more."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..actors.address import AgentAddress
from ..actors.fullness import Bound
from ..actors.shards import View, shard_of

# Of the recipients asked, those without room: at most as many rows are looked at as may be there.
NO_ROOM = """
SELECT asked.kind, asked.key, asked.most_rows, asked.most_bytes, box.waiting >= asked.most_rows AS by_rows
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS asked (kind, key, most_rows, most_bytes)
CROSS JOIN LATERAL (
    SELECT count(*) AS waiting, coalesce(sum(bytes), 0) AS waiting_bytes
    FROM (SELECT bytes FROM resprout.mailbox m
          WHERE m.kind = asked.kind AND m.key = asked.key LIMIT asked.most_rows) AS seen
) AS box
WHERE box.waiting >= asked.most_rows OR box.waiting_bytes >= asked.most_bytes
"""


class Shards:
    """The ids of shards by pool and slot. Whoever writes by them holds a shard, and loses it when pools change."""

    def __init__(self) -> None:
        self.ids: dict[tuple[str, int], int] = {}

    def learn(self, view: View) -> None:
        self.ids = {(shard.pool, shard.slot): shard.id for shard in view.shards}

    def id_of(self, address: AgentAddress) -> int:
        found = shard_of(address, self.ids)
        assert found is not None  # the shared pool comes with the first host
        return found


# A recipient with the rows and bytes that may wait for it.
Room = tuple[AgentAddress, tuple[int, int]]


async def without_room(connection: Any, asked: Iterable[Room]) -> dict[Room, Bound]:
    """Those that take no more, each with the bound that it has reached."""
    distinct: Sequence[Room] = sorted(set(asked))
    rows = await connection.fetch(
        NO_ROOM,
        [address.kind for address, _ in distinct],
        [address.key for address, _ in distinct],
        [most_rows for _, (most_rows, _) in distinct],
        [most_bytes for _, (_, most_bytes) in distinct],
    )
    return {
        (AgentAddress(row["kind"], row["key"]), (row["most_rows"], row["most_bytes"])): (
            "rows" if row["by_rows"] else "bytes"
        )
        for row in rows
    }
