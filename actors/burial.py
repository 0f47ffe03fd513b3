"""Told messages that could not be handled: they wait for their next try, or go to the dead letters.

The invariant: what becomes of such a message is in the store before it is so here. What fails to get there is said
again, and until then the message is neither tried nor done.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from .address import AgentAddress
from .envelope import Envelope, failed
from .errors import OutcomeUnknown, ResproutError, text_of
from .holdings import Holdings
from .ids import derived_id
from .logger import get_logger
from .mailbox import Entry
from .poison import Poisoned
from .station import Station
from .store import Held, Unreadable

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")


class Burial:
    def __init__(
        self,
        station: Station,
        holdings: Holdings,
        lose: Callable[[Held], None],
        wake: Callable[[int], None],
    ) -> None:
        self.station = station
        self.host = station.host
        self.store = station.store
        self.holdings = holdings
        self.lose = lose
        self.wake = wake

    async def postpone(self, activation: "Activation", entry: Entry, error: ResproutError, pause: timedelta) -> bool:
        kept = await self.store.postpone(
            self.host, activation.held, activation.address, entry.envelope.id, entry.attempts, text_of(error), pause
        )
        if not kept:
            self.lose(activation.held)
        return kept

    async def bury(self, activation: "Activation", entry: Entry, error: ResproutError) -> None:
        supervision = activation.kind.options.supervision
        letter = None
        if supervision.escalate_to is not None:
            letter = self._letter(activation, entry, error, supervision.escalate_to)
        buried = await self.store.bury(
            self.host,
            activation.held,
            activation.address,
            entry.envelope.id,
            entry.attempts,
            text_of(error),
            quarantine=supervision.quarantine,
            tell=letter,
        )
        if not buried:
            self.lose(activation.held)
            return
        log.error("message buried", agent=str(activation.address), message=str(entry.envelope.id), error=str(error))
        if supervision.quarantine:
            activation.set_aside(text_of(error))
        activation.done(entry, failed(error))
        if letter is not None:
            self.wake(letter[0])

    def _letter(
        self, activation: "Activation", entry: Entry, error: ResproutError, supervisor: str
    ) -> tuple[int, AgentAddress, Envelope] | None:
        address = AgentAddress.parse(supervisor)
        shard = self.holdings.shard_of(address)
        if shard is None:
            return None
        poisoned = Poisoned(
            agent=str(activation.address),
            message_id=entry.envelope.id,
            message_type=entry.envelope.type,
            error=text_of(error),
            attempts=entry.attempts,
        )
        envelope = Envelope(
            # Of this death: a message that is replayed may die again, and its supervisor has handled the first letter.
            id=derived_id(entry.envelope.id, f"poison:{activation.address}:{self.station.clock().isoformat()}"),
            way="tell",
            recipient=supervisor,
            sender=str(activation.address),
            type=poisoned.message_name,
            body=poisoned.model_dump_json(),
            priority="high",
            tenant=entry.envelope.tenant,
            correlation=entry.envelope.correlation or entry.envelope.id,
            causation=entry.envelope.id,
        )
        return shard.id, address, envelope

    async def bury_unread(self, row: Unreadable) -> None:
        """A row that no agent could take."""
        try:
            await self.store.bury(
                self.host, row.held, row.address, row.message, row.attempts, row.error, quarantine=False, tell=None
            )
        except OutcomeUnknown as error:  # the row counts as in memory, and nobody has it
            log.warning("mail that cannot be read is not buried yet", error=str(error))
            if self.holdings.has(row.held):
                self.holdings.doubt([row.held])
        else:
            log.error("message buried", agent=str(row.address), message=str(row.message), error=row.error)
