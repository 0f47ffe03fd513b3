"""Every error a user of Resprout can meet, split by whose fault it is and whether trying again can help.

Facts go to `super().__init__` so that an error survives pickling (Ray and Temporal carry them between
processes); `__str__` is one sentence that says what was wrong and what to do.
"""


class ResproutError(Exception):
    """The root. Catch one of the four below instead, they tell you what to do next."""


class Rejected(ResproutError):
    """The caller's mistake: the same request will be refused again, nothing was done."""


class Unavailable(ResproutError):
    """Refused before anything was done, by circumstances: try again later."""


class OutcomeUnknown(ResproutError):
    """It may or may not have happened. Ask again with the same message id to learn which."""


class Broken(ResproutError):
    """Something failed that should not have: a handler raised, an invariant does not hold."""


class ConfigError(Rejected):
    """A setting is unknown, has a bad value or contradicts another."""


class StackError(Rejected):
    """The stack cannot be started, found or stopped as asked."""


class BadAddress(Rejected):
    """An agent address that is not `kind/key`."""


class UnknownKind(Rejected):
    """No agent class has this kind."""


class UnknownMessage(Rejected):
    """No message type has this name, or the agent has no handler for it."""


class BadMessage(Rejected):
    """The body does not fit the message type."""


class NotRunning(Unavailable):
    """Something we need is not there: no stack, no server at the configured address."""


class Draining(Unavailable):
    """The host is about to end and takes no new messages; another one will."""


class DatabaseLost(OutcomeUnknown):
    """The connection to Postgres broke; what was being committed may or may not be there."""


class DeadlinePassed(OutcomeUnknown):
    """No answer came before the deadline."""


class AgentFailed(Broken):
    """The agent's handler raised; its state is as it was before the message."""


BY_NAME: dict[str, type[ResproutError]] = {
    error.__name__: error
    for error in (
        ConfigError,
        StackError,
        BadAddress,
        UnknownKind,
        UnknownMessage,
        BadMessage,
        NotRunning,
        Draining,
        DatabaseLost,
        DeadlinePassed,
        AgentFailed,
    )
}
