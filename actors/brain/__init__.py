"""The brain of an agent that thinks: it holds the conversation and asks the model. One message in, one move out.

What carries its moves to the tools and back is the workflow `agent`; what it thinks with is given to it (`mind`).
"""

from .brain import Brain
from .messages import Begin, Begun, Compact, Compacted, Decide, Heard, Leave, Line, Lines, Look, Move, as_heard
from .mind import Mind, Saying, Thought

__all__ = [
    "Begin",
    "Begun",
    "Brain",
    "Compact",
    "Compacted",
    "Decide",
    "Heard",
    "Leave",
    "Line",
    "Lines",
    "Look",
    "Mind",
    "Move",
    "Saying",
    "Thought",
    "as_heard",
]
