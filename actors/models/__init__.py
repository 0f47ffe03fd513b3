"""The contract of language models: what one is asked, what it says, and what can go wrong.

Nothing of any provider is in here. Adapters are in `activities/models`; whoever asks a model knows only these types.
"""

from .conversation import FromModel, FromTool, FromUser, Spoken, ToolUse
from .errors import BadKey, BadPrompt, BudgetExceeded, ModelBusy, ModelFailed, ModelLost, PromptTooLong, UnknownModel
from .model import CountsTokens, Model, complete
from .reply import ModelReply, Piece, Stop, Usage
from .request import AnswerForm, ModelRequest, ToolOffer

__all__ = [
    "AnswerForm",
    "BadKey",
    "BadPrompt",
    "BudgetExceeded",
    "CountsTokens",
    "FromModel",
    "FromTool",
    "FromUser",
    "Model",
    "ModelBusy",
    "ModelFailed",
    "ModelLost",
    "ModelReply",
    "ModelRequest",
    "Piece",
    "PromptTooLong",
    "Spoken",
    "Stop",
    "ToolOffer",
    "ToolUse",
    "UnknownModel",
    "Usage",
    "complete",
]
