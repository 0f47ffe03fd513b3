"""How much one process asks of a provider: calls at once, and calls and tokens in a minute.

Who waits, waits in order: one long request is not overtaken for ever by short ones. A minute's amounts flow back
continuously, so that a burst is followed by a trickle and not by a minute of silence.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from ...actors.models import Model, ModelBusy, ModelReply, ModelRequest, Piece
from .streams import closable
from .tokens import guessed_input


@dataclass(frozen=True)
class Limits:
    at_once: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    longest_wait: timedelta = timedelta(minutes=10)


class PerMinute:
    """An amount that fills up again. What is larger than all of it is let through when it is full."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._left = float(amount)
        self._counted_at: float | None = None

    def missing_seconds(self, wanted: int, now: float) -> float:
        self._fill(now)
        return max(min(wanted, self._amount) - self._left, 0.0) * 60 / self._amount

    def take(self, amount: int, now: float) -> None:
        """A negative amount gives back what was taken for nothing."""
        self._fill(now)
        self._left = min(self._left - amount, self._amount)

    def _fill(self, now: float) -> None:
        passed = now - self._counted_at if self._counted_at is not None else 0.0
        self._left = min(self._left + passed * self._amount / 60, self._amount)
        self._counted_at = now


class Limited:
    """Around a provider's adapter, one for all of its models."""

    def __init__(self, model: Model, name: str, limits: Limits) -> None:
        self._model = model
        self._name = name
        self._limits = limits
        self._door = asyncio.Lock()  # fair, and so the order of the waiting
        self._at_once = asyncio.Semaphore(limits.at_once)
        self._requests = PerMinute(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = PerMinute(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self.waiting = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        asked = guessed_input(request)
        await self._enter(asked + request.max_tokens)
        reply = None
        try:
            async with aclosing(closable(self._model.stream(request))) as said:
                async for part in said:
                    if isinstance(part, ModelReply):
                        reply = part
                    else:
                        yield part
        finally:
            self._at_once.release()
            if self._tokens:
                used = reply.usage.tokens if reply else asked
                self._tokens.take(used - asked - request.max_tokens, _now())
        if reply is not None:
            yield reply  # when the place is free again: who has the reply need not read on

    async def _enter(self, tokens: int) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(self._limits.longest_wait.total_seconds()), self._door:
                await self._at_once.acquire()
                try:
                    await self._wait_for_amounts(tokens)
                except BaseException:
                    self._at_once.release()
                    raise
        except TimeoutError:
            raise ModelBusy(
                f"{self._name} is at the limits that are set for it, and has been for "
                f"{self._limits.longest_wait.total_seconds():g} s: ask again later, or raise "
                f"`models.providers.{self._name}`'s."
            ) from None
        finally:
            self.waiting -= 1

    async def _wait_for_amounts(self, tokens: int) -> None:
        wanted = [(self._requests, 1), (self._tokens, tokens)]
        while True:  # a call that ends meanwhile may have used more than was thought
            seconds = max(amounts.missing_seconds(n, _now()) if amounts else 0.0 for amounts, n in wanted)
            if not seconds:
                break
            await asyncio.sleep(seconds)
        for amounts, n in wanted:
            if amounts:
                amounts.take(n, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
