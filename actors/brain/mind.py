"""What a brain thinks with: models, behind their budgets and limits. Whoever starts a host gives it one."""

from typing import Protocol

from ..models import ModelReply, ModelRequest
from ..models.conversation import Word


class Thought(Word):
    reply: ModelReply
    cost_nanos: int | None = None  # in billionths of a US dollar; None: its price or its tokens are not known


class Saying(Word):
    """What is being said at this moment."""

    text: str  # the last of it
    end: int  # characters that were said so far


class Mind(Protocol):
    async def think(self, request: ModelRequest) -> Thought:
        """Raises one of `actors.models.errors`."""
        ...

    async def settled(self) -> None:
        """Until what was thought so far is paid for."""
        ...

    def speech(self, agent: str) -> Saying | None:
        """What is being said to it so far, for who watches; None when nothing is."""
        ...

    def window(self, model: str) -> int:
        """How many tokens the model can have before it, its answer included."""
        ...
