import pickle

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.agent import Agent, agent_class, on
from resprout.actors.errors import BY_NAME, BadAddress, BadMessage, UnknownKind, UnknownMessage
from resprout.actors.message import Message, parse
from resprout.actors.roles import Greet, Greeter, Greeting
from resprout.actors.roles.greeter import ordinal


class Add(Message, name="test.add"):
    amount: int


class Total(Message, name="test.total"):
    total: int


class Unheard(Message, name="test.unheard"):
    pass


class Counter(Agent, kind="test-counter"):
    total: int = 0

    @on
    async def add(self, message: Add) -> Total:
        self.total += message.amount
        return Total(total=self.total)


async def test_a_handler_gets_the_message_type_that_it_names() -> None:
    counter = Counter()

    reply = await counter.handle(Add(amount=2))

    assert reply == Total(total=2)
    assert counter.model_dump() == {"total": 2}


async def test_a_message_without_a_handler_is_refused_naming_what_is_handled() -> None:
    with pytest.raises(UnknownMessage, match=r"test\.unheard.*test\.add"):
        await Counter().handle(Unheard())


def test_kinds_and_messages_are_found_by_their_stable_names() -> None:
    assert agent_class("test-counter") is Counter
    assert parse("test.add", {"amount": 1}) == Add(amount=1)


def test_unknown_names_are_refused_naming_the_known_ones() -> None:
    with pytest.raises(UnknownKind, match="greeter"):
        agent_class("nobody")
    with pytest.raises(UnknownMessage, match=r"greeter\.greet"):
        parse("nothing", {})


@pytest.mark.parametrize("body", [{}, {"amount": "x"}, {"amount": 1, "more": 2}])
def test_a_body_that_does_not_fit_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(BadMessage, match=r"test\.add"):
        parse("test.add", body)


def test_a_name_can_be_taken_only_once() -> None:
    with pytest.raises(TypeError, match=r"test\.add"):
        type("Other", (Message,), {"__module__": __name__, "__qualname__": "Other"}, name="test.add")
    with pytest.raises(TypeError, match="test-counter"):
        type("Other", (Agent,), {"__module__": __name__, "__qualname__": "Other"}, kind="test-counter")


def test_a_handler_that_is_not_well_annotated_is_refused_when_the_class_is_made() -> None:
    async def no_annotation(self, message):  # type: ignore[no-untyped-def]
        return None

    def not_async(self: Agent, message: Add) -> None:
        return None

    for method in (no_annotation, not_async):
        with pytest.raises(TypeError, match="handle"):
            type("Bad", (Agent,), {"__module__": __name__, "handle_it": on(method)}, kind="test-bad")  # type: ignore[type-var]


@pytest.mark.parametrize(
    "text", ["greeter", "/ada", "greeter/", "Greeter/ada", "a b/c", "greeter/a\nb", "x/" + "k" * 201]
)
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        AgentAddress.parse(text)


def test_an_address_reads_as_it_is_written() -> None:
    assert str(AgentAddress.parse("greeter/ada/lovelace")) == "greeter/ada/lovelace"
    assert AgentAddress.parse("greeter/ada/lovelace").key == "ada/lovelace"


def test_errors_survive_pickling() -> None:
    for error in BY_NAME.values():
        assert str(pickle.loads(pickle.dumps(error("what and why")))) == "what and why"


async def test_the_greeter_counts() -> None:
    greeter = Greeter()

    first = await greeter.handle(Greet(name="ada"))
    second = await greeter.handle(Greet(name="ada"))

    assert first == Greeting(text="Hello ada!", times=1)
    assert second == Greeting(text="Hello ada again, for the 2nd time!", times=2)


def test_ordinals_are_english() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th",
    ]  # fmt: skip
