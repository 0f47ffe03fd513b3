"""What happens to a message that its handler cannot digest: tried again with back-off, then set aside.

Only told messages are tried again by themselves. The failure of an asked one is its answer: the asker decides.
"""

from dataclasses import dataclass
from datetime import timedelta

from .address import AgentAddress
from .errors import BadAddress, BadClass


@dataclass(frozen=True)
class Supervision:
    attempts: int = 5  # after so many the message is poison and goes to the dead letters
    first_pause: timedelta = timedelta(milliseconds=200)
    longest_pause: timedelta = timedelta(seconds=30)
    patience: timedelta = timedelta(minutes=1)  # with full mailboxes that it tells something; then these count as well
    quarantine: bool = False  # whether poison also stops the agent, until `resprout agent release`
    escalate_to: str | None = None  # address of an agent that is told of the poison, as `agent.poisoned`

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise BadClass(f"Supervision(attempts={self.attempts}): at least 1.")
        if self.escalate_to is not None:
            try:
                AgentAddress.parse(self.escalate_to)
            except BadAddress as error:
                raise BadClass(f"Supervision.escalate_to names no agent: {error}") from None

    def pause_after(self, attempts: int) -> timedelta:
        return min(self.first_pause * (1 << min(attempts - 1, 30)), self.longest_pause)
