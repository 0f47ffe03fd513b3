"""A host as its parts know it: its id, its store and clocks, its limits, and how long it may believe in itself.

The invariant: whoever writes to the store asks first whether the host `may_write`.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from .background import Background
from .limits import Limits
from .shards import Lease
from .store import Store


class Station:
    def __init__(self, host: UUID, store: Store, clock: Callable[[], datetime], limits: Limits) -> None:
        self.host = host
        self.store = store
        self.clock = clock
        self.now = asyncio.get_running_loop().time
        self.limits = limits
        self.lease = Lease(limits.lease, limits.margin)
        self.background = Background()

    def may_write(self) -> bool:
        return self.lease.holds(self.now())
