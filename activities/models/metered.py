"""A model whose calls are paid for: what a call could take is reserved before it is made, and settled after it.

Wrap each provider's own adapter in it, inside of retries and fall-backs: so each attempt is reserved at the price of
the model that is asked, and one that came to nothing is released before the next.

What counts when something goes wrong is whether anything can have been charged for:

- refused before it began to answer (a bad key, a bad prompt, no room now): nothing, the reservation is released;
- anything else, and whoever listens going away in the middle: all that was reserved;
- so too an answer of a provider that does not count: a guess may be less than what was charged.

A call that was paid for is not thrown away because its end could not be written down, see `settling`.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from ...actors.errors import Rejected, Unavailable
from ...actors.models import (
    Account,
    Amount,
    BudgetExceeded,
    CallBegun,
    CallEnded,
    Model,
    ModelFailed,
    ModelLost,
    ModelReply,
    ModelRequest,
    Piece,
    Refusal,
    Reservation,
    Usage,
)
from .estimating import Known, fitting_output, input_bound, known_tokens, output_bound
from .prices import Prices
from .streams import closable

TRIES = 4  # at a call that fits into what is left, while others take of it too
CONVERSATIONS = 10_000  # whose last prompt is remembered

Conversation = tuple[str, str]  # by model, for each counts in its own way


class Ledger(Protocol):
    """Where calls are written down and paid for."""

    async def begin(self, call: CallBegun) -> Reservation | Refusal:
        """Only with a reservation may it be made."""
        ...

    def end(self, held: Reservation, ended: CallEnded) -> None:
        """It is written down soon, and before the next begins."""
        ...


@dataclass
class _Call:
    held: Reservation
    began: float = field(default_factory=time.monotonic)
    has_begun: bool = False  # to answer
    is_told: bool = False  # the ledger was

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def refused(self, error: Rejected | Unavailable) -> CallEnded:
        outcome: Any = "busy" if isinstance(error, Unavailable) else "rejected"
        return CallEnded(outcome, Amount(), self.seconds, Usage(), 0)

    @property
    def failed(self) -> CallEnded:
        return CallEnded("failed", self.held.amount, self.seconds)

    @property
    def lost(self) -> CallEnded:
        return CallEnded("lost", self.held.amount, self.seconds)


@dataclass(frozen=True)
class MeteredModel:
    model: Model
    ledger: Ledger
    prices: Prices
    known: OrderedDict[Conversation, Known] = field(default_factory=OrderedDict)

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        """Raises BudgetExceeded, too."""
        request, held = await self._reserve(request)
        call = _Call(held)
        try:
            async with aclosing(closable(self.model.stream(request))) as heard:
                async for said in heard:
                    call.has_begun = True
                    if isinstance(said, ModelReply):
                        self._end(call, self._done(call, said))
                        self._remember(request, said)
                    yield said
            if not call.is_told:
                raise ModelLost(f"{request.model} ended without a reply: ask again.")
        except (Rejected, Unavailable) as error:
            self._end(call, call.failed if call.has_begun else call.refused(error))
            raise
        except ModelFailed:
            self._end(call, call.failed)
            raise
        finally:
            self._end(call, call.lost)

    async def _reserve(self, request: ModelRequest) -> tuple[ModelRequest, Reservation]:
        """With less to say, if the model cannot say so much, or only less fits into what is left.

        It is asked for no more than was reserved: a list of prices may be older than the model.
        """
        account, price = request.account or Account(), self.prices.of(request.model)
        read, key = input_bound(request, self._known_of(request)), account.step or str(uuid4())
        said = output_bound(request, price)
        for _ in range(TRIES):
            request = request.model_copy(update={"max_tokens": said})
            bound = Amount(read + said, price.bound(read, said) if price is not None else None, 1)
            answer = await self.ledger.begin(CallBegun(key, account, request.model, bound))
            if isinstance(answer, Reservation):
                return request, answer
            less = fitting_output(answer, request, read, price)
            if less is None:
                break
            said = less
        raise BudgetExceeded(f"{request.model} was not asked: {answer}")

    def _done(self, call: _Call, reply: ModelReply) -> CallEnded:
        usage, held, version = reply.usage, call.held.amount, reply.version or None
        if not reply.counted:
            return CallEnded("done", held, call.seconds, answered=reply.model, version=version)
        price = self.prices.of(reply.model)
        nanos = price.cost(usage) if price is not None else None
        spent = Amount(usage.tokens, nanos if nanos is not None else held.nanos, 1)
        return CallEnded("done", spent, call.seconds, usage, nanos, reply.model, version)

    def _end(self, call: _Call, ended: CallEnded) -> None:
        """The first word on it holds."""
        if not call.is_told:
            call.is_told = True
            self.ledger.end(call.held, ended)

    def _known_of(self, request: ModelRequest) -> Known | None:
        return self.known.get((request.model, request.conversation)) if request.conversation is not None else None

    def _remember(self, request: ModelRequest, reply: ModelReply) -> None:
        if request.conversation is None or reply.model != request.model or not reply.counted:
            return
        one = request.model, request.conversation
        self.known[one] = known_tokens(request, reply.usage.input_tokens)
        self.known.move_to_end(one)
        if len(self.known) > CONVERSATIONS:
            self.known.popitem(last=False)
