"""Told messages that the code of this host does not know: of a kind, or of a type, that newer code has.

While hosts are deployed one after the other, old ones get what new ones send. The invariant: such a message is not
given up while a host that takes it lives, or lived a moment ago. It stays where it is, its row counts as in memory
here, and whoever has the shard next collects it anew. It is buried when this host has had it for `Limits.unknown`, and
nobody has said for so long that it takes such messages.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from .batching import Batcher
from .burial import Burial
from .errors import ResproutError
from .holdings import Holdings
from .logger import get_logger
from .mailbox import Entry
from .station import Station
from .store import Collected, Unreadable

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

LOOK_EVERY = 5.0
LIVES = timedelta(seconds=30)  # a host that has said within this time what it takes

What = tuple[str, str]  # kind of the agent, type of the message


class Strangers:
    def __init__(self, station: Station, holdings: Holdings, burial: Burial) -> None:
        self.station = station
        self.patience = station.limits.unknown
        self.look_every = min(LOOK_EVERY, self.patience.total_seconds() / 2)
        self.holdings = holdings
        self.burial = burial
        self.lately: Batcher[What, bool] = Batcher(self._known_lately)
        self.now: Batcher[What, bool] = Batcher(self._known_now)

    async def _known_lately(self, asked: Sequence[What]) -> Sequence[bool]:
        return await self.station.store.taken_within(self.patience, asked)

    async def _known_now(self, asked: Sequence[What]) -> Sequence[bool]:
        return await self.station.store.taken_within(LIVES, asked)

    async def known_elsewhere(self, kind: str, message_type: str) -> bool:
        """Whether a host lives that takes what this one does not. False also while nobody can say."""
        try:
            return await self.now.submit((kind, message_type))
        except ResproutError as error:
            log.warning("not known whether another host takes it", kind=kind, error=str(error))
            return False

    async def waits(self, activation: "Activation", entry: Entry) -> bool:
        """Whether a message to an agent that is known here waits for other code, which has a handler for it."""
        if entry.envelope.type in activation.kind.handlers:
            return False
        now = self.station.now()
        if entry.strange_since is None:
            entry.strange_since = now
        return not await self._is_hopeless((activation.address.kind, entry.envelope.type), entry.strange_since)

    async def _is_hopeless(self, what: What, since: float) -> bool:
        if self.station.now() - since < self.patience.total_seconds():
            return False
        return not await self.lately.submit(what)

    # Of a kind that is unknown here: there is no agent in whose mailbox it could wait.

    def keep(self, row: Collected, error: ResproutError) -> None:
        what = (row.address.kind, row.envelope.type)
        unread = Unreadable(row.held, row.address, row.envelope.id, row.attempts, str(error))
        self.station.background.spawn(self._keep(what, unread))

    async def _keep(self, what: What, row: Unreadable) -> None:
        since = self.station.now()
        log.warning("a message waits for a host that knows its kind", agent=str(row.address), message=str(row.message))
        await self._say_why(row)
        while self.holdings.has(row.held):
            await asyncio.sleep(self.look_every)
            try:
                hopeless = await self._is_hopeless(what, since)
            except ResproutError as error:
                log.warning("not known whether another host takes it", agent=str(row.address), error=str(error))
                continue
            if hopeless and self.holdings.has(row.held):
                await self.burial.bury_unread(row)
                return

    async def _say_why(self, row: Unreadable) -> None:
        """For whoever looks at the mailbox."""
        try:
            await self.station.store.postpone(
                self.station.host, row.held, row.address, row.message, row.attempts, row.error, timedelta(0)
            )
        except ResproutError as error:
            log.warning("why a message waits is not written down", agent=str(row.address), error=str(error))
