"""What is said to a brain, and what it answers."""

import json
from datetime import datetime
from functools import cached_property
from typing import Literal

from pydantic import Field, JsonValue

from ..message import Message
from ..models import AnswerForm, ToolOffer, ToolUse, Usage
from ..models.conversation import Word


class Setting(Word):
    """How a run thinks: what is the same for all its decisions."""

    model: str
    system: str = ""
    offers: tuple[ToolOffer, ...] = ()
    answer: AnswerForm | None = None
    max_tokens: int = Field(default=4_096, ge=1, description="of one thing that the model says")
    temperature: float | None = None

    @cached_property
    def size(self) -> int:
        """In bytes, of what each request begins with."""
        form = len(self.answer.model_dump_json()) if self.answer is not None else 0
        return len(self.system.encode()) + form + sum(len(offer.model_dump_json()) for offer in self.offers)


class Begin(Message, name="brain.begin"):
    """A run begins in this conversation, if no other has it."""

    run: str
    goal: str = Field(description="what is to be reached; empty: to go on with what was not finished")
    setting: Setting
    role: str | None = None
    instead_of: str | None = Field(
        default=None, description="the run that has the conversation and is known to be over"
    )


class Begun(Message, name="brain.begun"):
    taken_by: str | None = Field(default=None, description="the run that has the conversation; None: yours has it now")


class Heard(Word):
    """What came of a tool; or, without a use, what somebody says into the turn."""

    use: str | None = None
    text: str
    failed: bool = False


def as_heard(output: JsonValue) -> str:
    """A text as it is; all else as JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


class Decide(Message, name="brain.decide"):
    """What came of the last move; what is next?"""

    run: str
    step: str
    heard: tuple[Heard, ...] = ()
    budget: str | None = None
    tenant: str = "default"


class Move(Message, name="brain.move"):
    """`use`: tools are to be called. `answer`: the end. `again`: decide again, what it said could not be used.
    `compact`: the conversation is too long, make it shorter first. `more`: decide again, its answer was cut off
    and goes on. `half`: the end, of an answer that was cut off too often. `refused`: the end, it will not."""

    kind: Literal["use", "answer", "again", "compact", "more", "half", "refused"]
    uses: tuple[ToolUse, ...] = ()
    text: str = Field(
        default="", description="the answer, all parts of it; or the beginning of what was said beside the uses"
    )
    value: JsonValue = Field(default=None, description="the answer in the form that was asked for")
    why: str = ""
    model: str = ""
    usage: Usage = Usage()
    cost_nanos: int | None = 0


class Compact(Message, name="brain.compact"):
    """Put a summary in the place of what was said long ago. The originals stay in the journal."""

    run: str
    step: str
    budget: str | None = None
    tenant: str = "default"


class Compacted(Message, name="brain.compacted"):
    first: int = Field(description="the first entry that the summary stands for")
    last: int
    usage: Usage = Usage()
    cost_nanos: int | None = 0


class Leave(Message, name="brain.leave"):
    """The run is over: the conversation is free for the next, which finds in it what came of the last move."""

    run: str
    heard: tuple[Heard, ...] = Field(default=(), description="what the brain was not told")
    again: tuple[Heard, ...] = Field(
        default=(), description="what it was told with the decision `step`, which the run did not hear of"
    )
    step: str = ""


class Look(Message, name="brain.look"):
    """The conversation from one entry on."""

    first: int = Field(default=1, ge=1)
    most: int = Field(default=100, ge=1, le=1_000)


class Line(Word):
    number: int
    at: datetime | None = None
    role: str
    text: str
    uses: tuple[ToolUse, ...] = ()


class Lines(Message, name="brain.lines"):
    run: str | None
    entries: int
    lines: tuple[Line, ...]
