"""How much a host has at a time, and how long it keeps what.

The invariant: a host ends its lease by `margin` before the store does, so that it stops before another begins.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Limits:
    lease: timedelta = timedelta(seconds=5)
    margin: timedelta = timedelta(seconds=1)
    lanes: int = 2
    most_in_memory: int = 20_000  # agents
    idle: timedelta = timedelta(minutes=5)
    mail_in_memory: int = 50_000  # told messages
    mail_of_one_agent: int = 1_000  # of these; the rest waits in the store, so that slow ones leave room for the others
    unknown: timedelta = timedelta(minutes=10)  # that a message no living host knows waits for one that does
    tenant_rows: int = 1_000_000
    tenant_bytes: int = 4_000_000_000


USUAL = Limits()
