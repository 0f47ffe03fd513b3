"""Signals by name. Each goes to one task: to the one that has waited longest, or, when it comes early, to the next."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow


class Signals:
    def __init__(self, early: Mapping[str, Sequence[Any]]) -> None:
        self.arrived = {name: deque(data) for name, data in early.items()}
        self.waiting: dict[str, deque[str]] = {}  # keys of tasks, the one that has waited longest first

    def bring(self, name: str, data: Any) -> None:
        self.arrived.setdefault(name, deque()).append(data)

    def number_of(self, name: str) -> int:
        return len(self.arrived.get(name, ()))

    def early(self) -> dict[str, list[Any]]:
        """What nobody has waited for yet."""
        return {name: list(data) for name, data in self.arrived.items() if data}

    async def wait(self, name: str, key: str, left: timedelta | None) -> Any:
        """What the next signal of this name brings; raises TimeoutError."""
        arrived = self.arrived.setdefault(name, deque())
        waiting = self.waiting.setdefault(name, deque())
        waiting.append(key)

        def is_next() -> bool:
            return bool(arrived) and waiting[0] == key

        try:
            if not is_next():
                await workflow.wait_condition(is_next, timeout=left)
            return arrived.popleft()
        finally:
            waiting.remove(key)
