"""`cache/KEY`: keeps one value for a while, so that work with an equal key need not be done again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ..agent import Agent, on
from ..message import Message


class Look(Message, name="cache.look"):
    pass


class Found(Message, name="cache.found"):
    found: bool
    value: Any = None


class Keep(Message, name="cache.keep"):
    value: Any
    seconds: float | None = None


class Kept(Message, name="cache.kept"):
    until: datetime | None


class Cache(Agent, kind="cache"):
    kept: bool = False
    value: Any = None
    until: datetime | None = None  # None: for ever

    @on
    async def look(self, message: Look) -> Found:
        if not self.kept or (self.until is not None and datetime.now(UTC) > self.until):
            return Found(found=False)
        return Found(found=True, value=self.value)

    @on
    async def keep(self, message: Keep) -> Kept:
        self.kept, self.value = True, message.value
        self.until = datetime.now(UTC) + timedelta(seconds=message.seconds) if message.seconds is not None else None
        return Kept(until=self.until)
