"""Every error a user of Resprout can meet, split by whose fault it is and whether trying again can help.

Facts go to `super().__init__` so that an error survives pickling (Ray and Temporal carry them between
processes); `__str__` is one sentence that says what was wrong and what to do.
"""

from datetime import timedelta

# All that are made of one text, in whichever room they are defined: over the wire an error comes by its name.
BY_NAME: dict[str, type["ResproutError"]] = {}


class ResproutError(Exception):
    """The root. Catch one of the four below instead, they tell you what to do next."""

    def __init_subclass__(cls, of_one_text: bool = True) -> None:
        super().__init_subclass__()
        if of_one_text:
            BY_NAME[cls.__name__] = cls


class Rejected(ResproutError):
    """The caller's mistake: the same request will be refused again, nothing was done."""


class Unavailable(ResproutError):
    """Refused before anything was done, by circumstances: try again later, after `retry_after` where it is given."""

    def __init__(self, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class OutcomeUnknown(ResproutError):
    """It may or may not have happened. Ask again with the same message id to learn which."""


class Broken(ResproutError):
    """Something failed that should not have: a handler raised, an invariant does not hold."""


class ConfigError(Rejected):
    """A setting is unknown, has a bad value or contradicts another."""


class StackError(Rejected):
    """The stack cannot be started, found or stopped as asked."""


class BadArgument(Rejected):
    """An argument of a call is of the wrong type, or not one of the values there are."""


class BadClass(Rejected, TypeError):
    """A class of messages or agents is not written as it must be."""


class ClientClosed(Rejected):
    """The client was closed before this call."""


class BadAddress(Rejected):
    """An agent address that is not `kind/key`."""


class UnknownKind(Rejected):
    """No agent class has this kind."""


class UnknownMessage(Rejected):
    """No message type has this name, or the agent has no handler for it."""


class NoHandler(UnknownMessage, AttributeError):
    """What was called on an agent's class is no handler of it."""


class BadMessage(Rejected):
    """What was given is no message, or its body does not fit the message type."""


class TooLarge(Rejected):
    """The message, the reply or the state is larger than what is carried."""


class IdTaken(Rejected):
    """The id given names another message, which came before."""


class DeadlineInPast(Rejected):
    """The deadline given lies before now."""


class CallCycle(Rejected):
    """Agents that ask each other in a circle would wait for each other for ever."""


class NotFound(Rejected):
    """What was named does not exist."""


class NotRunning(Unavailable):
    """Something we need is not there: no stack, no server at the configured address."""


class Moved(Unavailable):
    """The agent lives on another host now; callers look again and go there by themselves."""


class Draining(Unavailable):
    """The host is about to end and takes no new messages; another one will."""


class MailboxFull(Unavailable):
    """The agent, or its tenant, has as many messages or bytes waiting as it may have."""


class Busy(Unavailable):
    """The agent is in a turn, and this handler rejects instead of queueing."""


class Quarantined(Unavailable):
    """The agent was set aside after a message that kept failing."""


class NewerVersion(Unavailable):
    """Stored by newer code than this process runs; a host with the new code can read it."""


class DatabaseLost(OutcomeUnknown):
    """The connection to Postgres broke; what was being committed may or may not be there."""


class DeadlinePassed(OutcomeUnknown):
    """No answer came before the deadline."""


class AgentFailed(Broken):
    """The agent's handler raised; its state is as it was before the message."""


class RunFailed(Broken, of_one_text=False):
    """A run ended without a result: it failed, or was cancelled or terminated, or ran out of time."""

    def __init__(
        self,
        run: str,
        status: str,
        reason: str,
        type: str | None = None,  # noqa: A002
        task: str | None = None,
        agent: str | None = None,
    ) -> None:
        super().__init__(run, status, reason, type, task, agent)
        self.run = run
        self.status = status  # failed, cancelled, terminated or timed-out
        self.reason = reason
        self.type = type  # of the failure
        self.task = task  # that failed
        self.agent = agent  # whose conversation it was, if it was the run of one

    @property
    def never_began(self) -> bool:
        """It was given what it cannot run."""
        return self.type == "BadInput" and self.task is None and self.agent is None

    def __str__(self) -> str:
        return f"the run {self.run} {'was ' if self.status in ('cancelled', 'terminated') else ''}{self.status}" + (
            f": {self.reason}" if self.reason else "."
        )


def text_of(error: ResproutError) -> str:
    """What a handler's error says may have in it what neither Postgres nor the wire carries: null bytes, and halves of
    characters, as in the names of files that are no UTF-8. A message whose error cannot be stored is never buried."""
    return storable(str(error))


def storable(text: str) -> str:
    """For what others wrote, and somebody must read: what cannot be stored stands there escaped."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()
