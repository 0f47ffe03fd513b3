"""What waits in a host's memory, counted: by tenant, and of the told messages how many.

The invariant: a message that the mailbox of an agent knows is counted once, from `count` to `forget`. While more is in
the store than fits here, what comes new queues up behind it there: of all agents (`behind`), or of one (`deep`).
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .envelope import Envelope
from .fullness import mailbox_full, refuse_unfit, tenant_full
from .holdings import Holdings
from .limits import Limits
from .mailbox import Entry

if TYPE_CHECKING:
    from .activation import Activation


class Backlog:
    def __init__(self, limits: Limits, holdings: Holdings, mail_waits: asyncio.Event) -> None:
        self.limits = limits
        self.holdings = holdings
        self.mail_waits = mail_waits
        self.mail = 0
        self.tenants: dict[str, list[int]] = {}
        self.behind = False  # more mail is in the store than fits here: new mail queues up behind it
        self.deep: set[Activation] = set()  # with more in the store than they may have here, or in quarantine

    def count(self, entry: Entry) -> None:
        """What waits for a tenant, told or asked: one more."""
        self.mail += entry.stored
        self._add(entry, 1)

    def forget(self, activation: "Activation", entry: Entry) -> None:
        """The message is done with, or not ours any more."""
        if activation.mailbox.find(entry.envelope.id) is None:
            return
        activation.mailbox.remove(entry)
        self._add(entry, -1)
        if entry.stored:
            self.mail -= 1
            if self.behind and self.mail < self.limits.mail_in_memory // 2:
                self.mail_waits.set()
            if activation.more_waits and not self.has_its_share(activation):
                self.mail_waits.set()

    def _add(self, entry: Entry, one: int) -> None:
        counts = self.tenants.get(entry.envelope.tenant)
        if counts is None:
            counts = self.tenants[entry.envelope.tenant] = [0, 0]
        counts[0] += one
        counts[1] += one * len(entry.envelope.body)

    def by_tenant(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes that wait here."""
        self.tenants = {tenant: counts for tenant, counts in self.tenants.items() if counts[0]}
        return {tenant: (rows, size) for tenant, (rows, size) in self.tenants.items()}

    def check_room(self, activation: "Activation", envelope: Envelope, waiting: int) -> None:
        """`waiting` are the agent's messages that its bound is for: asked ones wait here, told ones in the store."""
        bounds = activation.kind.options.bounds
        refuse_unfit(envelope.type, len(envelope.body), activation.address, bounds)
        if waiting >= bounds.rows:
            raise mailbox_full(str(activation.address), "rows", bounds)
        if activation.mailbox.bytes + len(envelope.body) > bounds.bytes:
            raise mailbox_full(str(activation.address), "bytes", bounds)
        self._check_tenant(envelope)

    def _check_tenant(self, envelope: Envelope) -> None:
        rows, size = self.tenants.get(envelope.tenant, (0, 0))
        more_rows, more_bytes = self.holdings.view.backlog.get(envelope.tenant, (0, 0))
        if rows + more_rows >= self.limits.tenant_rows:
            raise tenant_full(envelope.tenant, "rows", rows + more_rows)
        if size + more_bytes + len(envelope.body) > self.limits.tenant_bytes:
            raise tenant_full(envelope.tenant, "bytes", size + more_bytes)

    # Agents with more mail than they may have in memory.

    def left_behind(self, activation: "Activation") -> None:
        """What is told to the agent goes to the store alone, until all that is there is here."""
        activation.more_waits = True
        self.deep.add(activation)

    def has_its_share(self, activation: "Activation") -> bool:
        return activation.mailbox.rows > self.limits.mail_of_one_agent // 2

    def caught_up(self, hungry: "Iterable[Activation]") -> None:
        """All of their mail is here, unless they are deep again."""
        for activation in hungry:
            if activation.mailbox.rows < self.limits.mail_of_one_agent and activation.quarantined is None:
                activation.more_waits = False
                self.deep.discard(activation)
