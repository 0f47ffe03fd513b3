"""The contract of language models: what one is asked, what it says, and what can go wrong.

Nothing of any provider is in here. Adapters are in `activities/models`; whoever asks a model knows only these types.
"""

from .account import Account
from .budget import Amount, Limits, Refusal, Reservation
from .call import CallBegun, CallEnded
from .conversation import FromModel, FromTool, FromUser, Spoken, ToolUse
from .errors import BadKey, BadPrompt, BudgetExceeded, ModelBusy, ModelFailed, ModelLost, PromptTooLong, UnknownModel
from .model import CountsTokens, Model, complete
from .reply import BEGUN, ModelReply, Piece, Stop, Usage
from .request import AnswerForm, ModelRequest, ToolOffer

__all__ = [
    "BEGUN",
    "Account",
    "Amount",
    "AnswerForm",
    "BadKey",
    "BadPrompt",
    "BudgetExceeded",
    "CallBegun",
    "CallEnded",
    "CountsTokens",
    "FromModel",
    "FromTool",
    "FromUser",
    "Limits",
    "Model",
    "ModelBusy",
    "ModelFailed",
    "ModelLost",
    "ModelReply",
    "ModelRequest",
    "Piece",
    "PromptTooLong",
    "Refusal",
    "Reservation",
    "Spoken",
    "Stop",
    "ToolOffer",
    "ToolUse",
    "UnknownModel",
    "Usage",
    "complete",
]
