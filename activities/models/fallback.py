"""A chain of models: the next is asked when the one before cannot answer, whoever's fault it is but the prompt's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

from ...actors.errors import Unavailable
from ...actors.logger import get_logger
from ...actors.models import BEGUN, BadKey, Model, ModelFailed, ModelLost, ModelReply, ModelRequest, Piece
from .patience import Patience, Patient
from .streams import closable

log = get_logger("resprout.models")

# Not BadPrompt, which another model would refuse, too; nor UnknownModel, which is a mistake that must be seen.
ANOTHER_CAN = (BadKey, Unavailable, ModelFailed, ModelLost)

# How long a busy model is waited for while another could answer.
WAIT_BEFORE_NEXT = timedelta(seconds=5)


class Fallback:
    """Asks each by its own name, so that a reply says who gave it; all of them in the time of one."""

    def __init__(self, models: Sequence[tuple[str, Model]], patience: Patience) -> None:
        self._models = models
        self._patience = patience

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        clock = asyncio.get_running_loop().time
        began, is_heard = clock(), False
        for place, (name, model) in enumerate(self._models, 1):
            is_last = place == len(self._models)
            left = self._patience.give_up - timedelta(seconds=clock() - began)
            wait = self._patience.longest_wait if is_last else min(WAIT_BEFORE_NEXT, self._patience.longest_wait)
            patient = Patient(model, replace(self._patience, give_up=left, longest_wait=wait))
            try:
                async with aclosing(closable(patient.stream(request.model_copy(update={"model": name})))) as said:
                    async for part in said:
                        is_heard = is_heard or part != BEGUN
                        yield part
                return
            except ANOTHER_CAN as error:
                if is_last or clock() - began >= self._patience.give_up.total_seconds():
                    raise
                log.warning("a model falls back on the next", model=name, error=type(error).__name__)
            if is_heard:
                is_heard = False
                yield Piece(text="", anew=True)
