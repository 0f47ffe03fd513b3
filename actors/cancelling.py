"""Taking back an ask whose asker does not want it any more: out of the mailbox, or out of its turn.

Only what nobody else waits for is taken back, and nothing that was told: that was accepted. The attempts at one step
of a run are one asker: who takes it back speaks for the step. A turn that is stopped leaves the state as it was; one
that ended a moment before stays, and its reply is kept under its id.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from .address import AgentAddress
from .envelope import Envelope, Failed

if TYPE_CHECKING:
    from .delivery import Delivery


def cancel(delivery: "Delivery", address: AgentAddress, message: UUID) -> bool:
    """Whether there was something to take back."""
    activation = delivery.population.active.get(address)
    entry = activation.mailbox.find(message) if activation is not None else None
    if activation is None or entry is None or entry.stored or entry.joined:
        return False
    if len(entry.answers) > 1 and not _is_of_a_step(entry.envelope):
        return False
    if activation.in_turn is entry:
        return delivery.handling.stop(activation)
    if entry in activation.uncommitted.entries:
        return False  # it has been handled
    activation.mailbox.withdraw(entry)
    activation.done(entry, Failed(error="DeadlinePassed", text="the asker has taken it back."))
    return True


def _is_of_a_step(envelope: Envelope) -> bool:
    return envelope.run is not None and envelope.causation is None
