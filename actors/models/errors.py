"""What can go wrong with a model, by what helps."""

from ..errors import Broken, OutcomeUnknown, Rejected, Unavailable


class UnknownModel(Rejected):
    """No provider is set up for this name."""


class BadKey(Rejected):
    """The provider refused the key, or what it may do."""


class BadPrompt(Rejected):
    """The provider refused what it was asked: it would refuse it again."""


class PromptTooLong(BadPrompt):
    """The conversation does not fit into the model's window."""


class BudgetExceeded(Rejected):
    """The call could cost more than is left of a budget. It was not made."""


class ModelBusy(Unavailable):
    """The provider has no room for us now: a rate limit, or an overload."""


class ModelLost(OutcomeUnknown):
    """The answer did not come whole. It may have been charged for."""


class ModelFailed(Broken):
    """The provider failed, or said what is none of its own protocol."""
