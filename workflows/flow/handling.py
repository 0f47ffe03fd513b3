"""How a task is handled around its work: tried again, taken from a cache, limited, kept."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, JsonValue

from ...actors.duration import Duration
from ...actors.words import Words
from .terms import Count, Text


class Retry(Words):
    """How often and how soon a failed task is tried again."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 3
    """How often the task is tried in all, the first time included."""
    backoff: Duration = timedelta(seconds=1)
    """How long to wait before the second attempt."""
    factor: Annotated[float, Field(ge=1, le=100)] = 2.0
    """By how much the wait grows after each attempt."""
    max_backoff: Duration = timedelta(minutes=1)
    """The longest wait between two attempts."""
    on: tuple[Text, ...] = ()
    """Only these error types are tried again. Default: all that can be helped by trying again."""

    def pause_after(self, attempt: int) -> timedelta:
        """In floats, which know infinity: a length of time would overflow."""
        try:
            length = self.backoff.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            return self.max_backoff if self.backoff else self.backoff
        return timedelta(seconds=min(length, self.max_backoff.total_seconds()))


class Cache(Words):
    """Where the output of an earlier run with the same key is taken instead of running the task."""

    key: Text
    """Equal keys share one output; usually an expression."""
    for_: Duration | None = Field(default=None, alias="for")
    """How long an output may be used again. Default: for ever."""


class Budget(Words):
    """What the task, with everything inside it, may use at most."""

    tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000_000)] | None = None
    """Tokens of language models, in and out."""
    cost: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """Money, in US dollars."""
    calls: Count | None = None
    """Calls of language models and tools."""
    time: Duration | None = None
    """Time from the start of the task."""

    @property
    def is_counted(self) -> bool:
        """In the ledger; time alone needs none."""
        return (self.tokens, self.cost, self.calls) != (None, None, None)


class Save(Words):
    """Keeps the task's output in memory, to be found by later runs and agents."""

    to: Text
    """The place in memory, as in `notes/research`; may hold an expression."""
    value: JsonValue = None
    """What is kept. Default: the task's output."""
    labels: dict[str, str] = Field(default={})
    """Labels by which it can be found."""
