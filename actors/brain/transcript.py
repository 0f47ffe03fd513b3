"""What of a conversation is in memory: what the model is to be shown.

The invariant: a transcript never changes; saying more makes another one, which shares what is there. So a turn that
is taken back leaves the one before as it was, and a copy for the next turn costs nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ..models import FromModel, FromTool, Spoken

AROUND = 8  # bytes beside each message, as a model counts them
BYTES_PER_TOKEN = 3  # few texts have fewer: it is for when to make room, not for what may be spent


class Spoke(NamedTuple):
    number: int  # of the entry
    said: Spoken
    size: int


class Transcript:
    __slots__ = ("_all", "_count")

    def __init__(self, spoken: list[Spoke] | None = None) -> None:
        self._all = spoken if spoken is not None else []
        self._count = len(self._all)

    def __deepcopy__(self, _: object) -> "Transcript":
        return self

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Spoke]:
        return iter(self._all[: self._count])

    def said(self, number: int, said: Spoken) -> "Transcript":
        """With one more. The list is shared as long as nobody else has said more on it."""
        more = Transcript.__new__(Transcript)
        more._all = self._all if len(self._all) == self._count else self._all[: self._count]
        more._all.append(Spoke(number, said, size_of(said)))
        more._count = self._count + 1
        return more

    def since(self, number: int) -> "Transcript":
        return Transcript([spoke for spoke in self if spoke.number >= number])

    def unanswered(self) -> tuple[str, ...]:
        """The uses that the model asked for last and that nothing came of yet."""
        answered: set[str] = set()
        for spoke in reversed(list(self)):
            if isinstance(spoke.said, FromTool):
                answered.add(spoke.said.use)
            elif isinstance(spoke.said, FromModel):
                return tuple(use.id for use in spoke.said.uses if use.id not in answered)
        return ()


def size_of(said: Spoken) -> int:
    """In bytes, about."""
    uses = said.uses if isinstance(said, FromModel) else ()
    return AROUND + len(said.text.encode()) + sum(AROUND + len(use.model_dump_json()) for use in uses)
