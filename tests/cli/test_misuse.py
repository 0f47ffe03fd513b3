"""Mistakes in Python that a type checker would have seen: each is refused before anything is sent, in a sentence."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from resprout.actors.agent import Agent, on
from resprout.actors.errors import (
    BadAddress,
    BadArgument,
    BadClass,
    BadMessage,
    DeadlineInPast,
    NoHandler,
    Rejected,
    UnknownKind,
)
from resprout.actors.message import Message
from resprout.runtime.calls import caller
from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from support.clerks import Clerk, Work

SECOND = timedelta(seconds=1)


@pytest.fixture
def client() -> Any:
    """Connected to nothing. Any, since what is tested here is what the type checker forbids."""
    return Client(caller(Settings()))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda c: c.agent("clerk/a").ask({"by": 1}), BadMessage, "clerk/a is a dict, not a message. Give an"),
        (lambda c: c.agent("clerk/a").ask(Work), BadMessage, r"the class Work, not a message.*Work\(…\)"),
        (lambda c: c.agent("clerk/a").tell(None), BadMessage, "is None, not a message"),
        (lambda c: c.agent("clerk/a").tell(Message()), BadMessage, "not a message"),
        (lambda c: c.publish("news", "hello"), BadMessage, "sent to topic news is a str"),
        (lambda c: c.publish(None, Work()), BadAddress, "None is not an agent key"),
        (lambda c: c.agent(None), BadAddress, "None is not an agent address.*kind/key"),
        (lambda c: c.agent(["clerk/a"]), BadAddress, "kind/key"),
        (lambda c: c.agent("nokey"), BadAddress, "write kind/key"),
        (lambda c: c.of(int, "k"), UnknownKind, r"int is not an agent class.*class Counter\(Agent"),
        (lambda c: c.of(Agent, "k"), UnknownKind, "Agent is not an agent class"),
        (lambda c: c.of("clerk", "k"), UnknownKind, "use the address"),
        (lambda c: c.of(Clerk, 5), BadAddress, "5 is not an agent key"),
        (lambda c: c.of(Clerk, "a").ask(Work()), NoHandler, r"no handler named 'ask'. Its handlers: .*work"),
        (lambda c: c.of(Clerk, "a").work(by=1), BadMessage, r"one Work and nothing else: work\(Work\(…\)\)"),
        (lambda c: c.of(Clerk, "a").work(), BadMessage, "one Work and nothing else"),
        (lambda c: c.of(Clerk, "a").work(Work), BadMessage, "takes a Work, not the class Work"),
        (lambda c: c.agent("clerk/a").ask(Work(), priority="urgent"), BadArgument, "'urgent' is not one of low"),
        (lambda c: c.agent("clerk/a").ask(Work(), priority=3), BadArgument, "low, normal, high, critical"),
        (lambda c: c.agent("clerk/a").tell(Work(), id="foo"), BadArgument, r"id='foo' is not a UUID.*UUID\(text\)"),
        (lambda c: c.agent("clerk/a").ask(Work(), timeout=7), BadArgument, r"timeout=timedelta\(seconds=7\)"),
        (lambda c: c.agent("clerk/a").ask(Work(), timeout="5s"), BadArgument, r"timeout='5s' is not a timedelta"),
        (lambda c: c.agent("clerk/a").tell(Work(), timeout=float("nan")), BadArgument, "timeout=nan is not a"),
        (lambda c: c.agent("clerk/a").ask(Work(), timeout=-SECOND), DeadlineInPast, "timeout above zero"),
        (lambda c: c.agent("clerk/a").tell(Work(), deadline=SECOND), BadArgument, r"datetime.now\(UTC\) \+"),
        (lambda c: c.agent("clerk/a").tell(Work(), deadline=5), BadArgument, "deadline=5 is not a datetime"),
        (lambda c: c.agent("clerk/a").tell(Work(), deadline=datetime(2090, 1, 1)), BadArgument, "no time zone"),
    ],
)  # fmt: skip
async def test_a_mistake_is_refused_naming_it_and_the_remedy(
    client: Any, call: Callable[[Any], Awaitable[object] | object], error: type[Rejected], sentence: str
) -> None:
    assert issubclass(error, Rejected)

    async def misuse() -> None:
        given = call(client)
        assert isinstance(given, Awaitable)
        await given

    with pytest.raises(error, match=sentence):
        await misuse()


def test_the_longest_patience_does_not_leave_the_calendar(client: Any) -> None:
    assert client.agent("clerk/a")._until(timedelta.max) > datetime.now(UTC) + timedelta(days=36_000)


def test_a_class_that_is_not_written_as_it_must_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(BadClass, match=r"class Nameless has no name.*class Nameless\(Message, name="):

        class Nameless(Message):
            pass

    with pytest.raises(BadClass, match=r"class Kindless has no kind.*class Kindless\(Agent, kind="):

        class Kindless(Agent):
            pass

    with pytest.raises(BadClass, match=r"no argument 'bound'. They take kind, version, .*bounds"):

        class Bound(Agent, kind="misuse-bound", bound=3):
            pass

    with pytest.raises(BadClass, match=r"Unannotated.answer must be annotated to return a Message class or None"):

        class Unannotated(Agent, kind="misuse-unannotated"):
            @on
            async def answer(self, message: Work):  # type: ignore[no-untyped-def]
                pass
