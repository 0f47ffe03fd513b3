"""Asks again where that can help: a model that is busy, that failed, or whose answer was lost on the way.

Each try may be charged for, whether its answer came or not: there are few, and what the provider says of when to come
back counts more than our own back-off. Pieces that were seen are taken back before the next try: what counts is the
reply, and no answer is worth less because somebody watched another one break off.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from ...actors.errors import ResproutError, Unavailable
from ...actors.logger import get_logger
from ...actors.models import BEGUN, Model, ModelFailed, ModelLost, ModelReply, ModelRequest, Piece
from .streams import closable

log = get_logger("resprout.models")

CAN_HELP = (Unavailable, ModelLost, ModelFailed)


@dataclass(frozen=True)
class Patience:
    attempts: int = 4
    give_up: timedelta = timedelta(minutes=10)
    first_pause: timedelta = timedelta(seconds=0.5)
    longest_pause: timedelta = timedelta(seconds=30)  # of our own back-off
    longest_wait: timedelta = timedelta(minutes=10)  # as a provider asks for

    def pause(self, failed: int, error: ResproutError) -> float:
        """Jitter is upwards only: nobody comes back before the time that a provider named."""
        wanted = error.retry_after if isinstance(error, Unavailable) else None
        if wanted is not None:
            return wanted.total_seconds() + random.uniform(0, 0.1) * self.first_pause.total_seconds()
        longest = min(self.first_pause * 2 ** (failed - 1), self.longest_pause).total_seconds()
        return random.uniform(longest / 2, longest)

    def waits(self, pause: float, left: float) -> bool:
        return pause < left and pause <= self.longest_wait.total_seconds()


class Patient:
    def __init__(self, model: Model, patience: Patience) -> None:
        self._model = model
        self._patience = patience

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        clock = asyncio.get_running_loop().time
        give_up = clock() + self._patience.give_up.total_seconds()
        failed, is_heard = 0, False
        while True:
            left = max(give_up - clock(), 0.001)
            one_call = request.model_copy(update={"timeout_seconds": min(request.timeout_seconds, left)})
            try:
                async with aclosing(closable(self._model.stream(one_call))) as said:
                    async for part in said:
                        is_heard = is_heard or part != BEGUN
                        yield part
                return
            except CAN_HELP as error:
                failed += 1
                pause = self._patience.pause(failed, error)
                if failed >= self._patience.attempts or not self._patience.waits(pause, give_up - clock()):
                    raise
                kind = type(error).__name__
            log.info("a model is asked again", model=request.model, error=kind, failed=failed, pause=round(pause, 3))
            if is_heard:
                is_heard = False
                yield Piece(text="", anew=True)
            await asyncio.sleep(pause)
