"""A model's window, divided: what each request of a run begins with, what the model may say, and the rest, which is
the room of the conversation.

What can be made shorter is the conversation alone. So it is measured by its room and never by the window: else a run
with many tools would summarise what was just said, turn after turn, and be as full as before.
"""

from typing import NamedTuple

from ..errors import Rejected
from ..models import FromTool
from .messages import Setting
from .transcript import BYTES_PER_TOKEN, Spoke, Transcript, size_of

SMALL = 32_768  # tokens; of such a window, an answer has a quarter at most
FULL = 0.8  # of the room
RESULTS = 0.4  # of the room, for all results of one move: with care, since some texts have more tokens than it counts
LEAST_RESULT = 200  # bytes
LEAST = 8  # a smaller part of the window is no room to work in


class TooLittleRoom(Rejected):
    """What a run begins with leaves its model no window for a conversation."""


class Room(NamedTuple):
    """In tokens."""

    window: int
    said: int  # at most, by the model, at once
    fixed: int  # system, tools and form

    @property
    def tokens(self) -> int:
        return max(self.window - self.said - self.fixed, 1)

    def is_full(self, tokens: int) -> bool:
        """Of so many in all, those that are fixed included."""
        return tokens > self.fixed + FULL * self.tokens


def room_of(setting: Setting, window: int) -> Room:
    said = min(setting.max_tokens, window // 4) if window <= SMALL else setting.max_tokens
    return Room(window, max(said, 1), setting.size // BYTES_PER_TOKEN)


def fitted(transcript: Transcript, room: int) -> list[Spoke]:
    """What tools gave, shortened so that all results of one move have their share of the room: they cannot be parted
    from the uses that they answer, so no summary could make room for them."""
    spoken = list(transcript)
    first = 0
    while first < len(spoken):
        last = first
        while last < len(spoken) and isinstance(spoken[last].said, FromTool):
            last += 1
        _share(spoken, first, last, int(RESULTS * room * BYTES_PER_TOKEN))
        first = last + 1
    return spoken


def _share(spoken: list[Spoke], first: int, last: int, share: int) -> None:
    """Those that take less than their part leave the rest to the others."""
    for done, at in enumerate(sorted(range(first, last), key=lambda each: spoken[each].size)):
        one = spoken[at]
        most = max(share // (last - first - done), LEAST_RESULT)
        if one.size > most:
            said = one.said.model_copy(update={"text": shortened(one.said.text, most)})
            one = spoken[at] = Spoke(one.number, said, size_of(said))
        share -= one.size


def shortened(text: str, most: int) -> str:
    """To so many bytes, about: the beginning and the end."""
    stored = text.encode()
    first, last = stored[: most // 2].decode(errors="ignore"), stored[-(most // 2) :].decode(errors="ignore")
    left_out = len(text) - len(first) - len(last)
    return f"{first}\n… {left_out:,} characters are left out here …\n{last}"


def refuse_cramped(setting: Setting, room: Room) -> None:
    if room.tokens >= room.window // LEAST:
        return
    raise TooLittleRoom(
        f"the window of {setting.model} has {room.window:,} tokens: {room.said:,} are for what it says and about "
        f"{room.fixed:,} for its system prompt and {len(setting.offers)} tools, which leaves too few for a "
        "conversation. Give it fewer tools, a smaller `max_tokens`, or a model with a larger window."
    )
