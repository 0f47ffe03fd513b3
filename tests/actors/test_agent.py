import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from types import new_class
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import Field
from resprout.actors import ids
from resprout.actors.address import AgentAddress
from resprout.actors.agent import Agent, Bounds, DedicatedHosts, ephemeral, on
from resprout.actors.catalogue import catalogue, describe
from resprout.actors.envelope import Envelope, Replied
from resprout.actors.errors import (
    BY_NAME,
    BadAddress,
    BadClass,
    BadMessage,
    Broken,
    NewerVersion,
    UnknownKind,
    UnknownMessage,
)
from resprout.actors.kinds import agent_class
from resprout.actors.message import Message, parse, parse_stored
from resprout.actors.roles import Greet, Greeter, Greeting
from resprout.actors.roles.greeter import ordinal
from resprout.actors.supervision import Supervision
from resprout.actors.turn import Turn


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

    reply = await getattr(counter, counter.handler_of("test.add").method)(Add(amount=2))

    assert reply == Total(total=2)
    assert counter.model_dump() == {"total": 2}


def test_a_message_without_a_handler_is_refused_naming_what_is_handled() -> None:
    with pytest.raises(UnknownMessage, match=r"test\.unheard.*test\.add"):
        Counter.handler_of(Unheard.message_name)


def test_kinds_and_messages_are_found_by_their_stable_names() -> None:
    assert agent_class("test-counter") is Counter
    assert parse("test.add", {"amount": 1}) == Add(amount=1)


def test_unknown_names_are_refused_naming_the_known_ones() -> None:
    with pytest.raises(UnknownKind, match="greeter"):
        agent_class("nobody")
    with pytest.raises(UnknownMessage, match=r"did you mean `test\.add`"):
        parse("test.addd", {})
    with pytest.raises(UnknownMessage, match="resprout agent catalogue"):
        parse("nothing", {})


@pytest.mark.parametrize("body", [{}, {"amount": "x"}, {"amount": 1, "more": 2}])
def test_a_body_that_does_not_fit_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(BadMessage, match=r"test\.add"):
        parse("test.add", body)


def test_a_misspelled_message_or_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMessage, match=r"'test\.ad': did you mean `test\.add`\?$"):
        parse("test.ad", {})
    with pytest.raises(UnknownKind, match=r"'gretter': did you mean `greeter`\?$"):
        agent_class("gretter")


def test_of_the_messages_that_ship_none_is_named_where_none_is_near() -> None:
    with pytest.raises(UnknownMessage) as caught:
        parse("zzz", {})

    assert "agent.poisoned" not in str(caught.value)


def test_a_misspelled_field_is_named_beside_the_one_that_is_missing() -> None:
    with pytest.raises(BadMessage) as caught:
        parse("test.add", {"amuont": 1})

    assert "amount: Field required; amuont: it has no such field (did you mean `amount`?)." in str(caught.value)


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

    first = await greeter.greet(Greet(name="ada"))
    second = await greeter.greet(Greet(name="ada"))

    assert first == Greeting(text="Hello ada!", times=1)
    assert second == Greeting(text="Hello ada again, for the 2nd time!", times=2)


class Moved(Message, name="test.moved", version=3):
    metres: float

    @classmethod
    def upcast(cls, version: int, body: dict[str, Any]) -> dict[str, Any]:
        return {"metres": body["feet"] * 0.3048 if version == 1 else body["centimetres"] / 100}


class Walker(Agent, kind="test-walker", version=2):
    """Walks."""

    metres: float = 0.0
    steps_since_it_woke: int = ephemeral(default=0)
    shoes: list[str] = Field(default_factory=list)

    @on(busy="reject")
    async def move(self, message: Moved) -> None:
        self.metres += message.metres
        self.steps_since_it_woke += 1

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        return {"metres": state["kilometres"] * 1000}


@pytest.mark.parametrize(
    ("version", "body", "metres"),
    [(1, '{"feet": 10}', 3.048), (2, '{"centimetres": 50}', 0.5), (3, '{"metres": 7}', 7)],
)
def test_a_message_that_older_code_sent_is_read_as_todays(version: int, body: str, metres: float) -> None:
    assert parse_stored("test.moved", version, body) == Moved(metres=metres)


def test_a_message_of_newer_code_waits_for_it() -> None:
    with pytest.raises(NewerVersion, match="version 4"):
        parse_stored("test.moved", 4, "{}")


def test_a_message_without_an_upcaster_says_so() -> None:
    with pytest.raises(BadMessage, match="upcast"):
        parse_stored("test.add", 0, "{}")


def test_a_state_that_older_code_stored_is_read_as_todays() -> None:
    assert Walker.from_stored(1, '{"kilometres": 2}') == Walker(metres=2000)
    with pytest.raises(NewerVersion):
        Walker.from_stored(3, "{}")
    with pytest.raises(Broken, match="metres"):
        Walker.from_stored(2, '{"metres": "far"}')


def test_an_ephemeral_field_is_not_stored() -> None:
    walker = Walker(metres=1, steps_since_it_woke=5)

    assert Walker.from_stored(2, walker.model_dump_json()) == Walker(metres=1, steps_since_it_woke=0)


def test_a_turn_that_fails_leaves_nothing_in_the_state() -> None:
    walker = Walker(shoes=["left"])
    turn = Turn(AgentAddress("test-walker", "a"), envelope(), lambda: datetime.now(UTC), ask_nobody, read_nothing)

    twin = walker.for_turn(turn)
    assert isinstance(twin, Walker)
    twin.metres = 9
    twin.shoes.append("right")

    assert walker == Walker(shoes=["left"])


def test_what_works_only_in_a_handler_says_so_elsewhere() -> None:
    with pytest.raises(RuntimeError, match="only inside a handler"):
        Walker().tell("test-walker/b", Moved(metres=1))


def test_an_agent_needs_defaults_and_one_handler_a_message() -> None:
    with pytest.raises(TypeError, match="needs a default"):
        type("NoDefault", (Agent,), {"__module__": __name__, "__annotations__": {"n": int}}, kind="test-no-default")
    with pytest.raises(TypeError, match="default"):
        ephemeral()

    async def one(self: Agent, message: Add) -> None: ...
    async def two(self: Agent, message: Add) -> None: ...

    with pytest.raises(TypeError, match="both handle"):
        type("Twice", (Agent,), {"__module__": __name__, "one": on(one), "two": on(two)}, kind="test-twice")


def test_a_turn_that_is_done_again_sends_the_same_messages() -> None:
    cause = envelope()

    def sent() -> list[UUID]:
        turn = Turn(AgentAddress("test-walker", "a"), cause, lambda: datetime.now(UTC), ask_nobody, read_nothing)
        return [turn.tell("test-walker/b", Moved(metres=n), "normal", None) for n in range(3)]

    first = sent()
    assert first == sent()
    assert len(set(first)) == 3


def test_ids_sort_as_they_were_made() -> None:
    early, late = ids.at(1_000, 7), ids.at(1_001, 3)

    assert early < late
    assert early.version == 7
    assert ids.derived_id(late, "step") > early


def test_the_catalogue_has_schemas_of_messages_and_kinds() -> None:
    known = catalogue()

    assert known["messages"]["test.moved"]["version"] == 3
    assert known["messages"]["test.moved"]["schema"]["required"] == ["metres"]
    walker = known["kinds"]["test-walker"]
    assert walker["handlers"] == {"test.moved": {"method": "move", "reply": None, "busy": "reject"}}
    assert walker["description"] == "Walks."
    json.dumps(known)


def envelope() -> Envelope:
    return Envelope(id=ids.new_id(), recipient="test-walker/a", type="test.moved", version=3, body='{"metres": 1}')


async def ask_nobody(_: Envelope) -> Replied:
    raise AssertionError("nobody to ask")


async def read_nothing(first: int, last: int) -> list[str]:
    raise AssertionError("no journal to read")


def test_ordinals_are_english() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th",
    ]  # fmt: skip


class Connection:
    """Nothing that JSON has."""


def made(class_name: str, parent: type, fields: dict[str, Any], **options: Any) -> type:
    return new_class(class_name, (parent,), options, lambda space: space.update(AT_HOME | fields))


def a_message(version: Any = 1, **fields: Any) -> type[Message]:
    return cast("type[Message]", made("M", Message, fields, name="test.m", version=version))


def an_agent(version: Any = 1, **fields: Any) -> type[Agent]:
    return cast("type[Agent]", made("A", Agent, fields, kind="test-a", version=version))


AT_HOME = {"__module__": __name__, "__qualname__": "made in a test"}


async def take(self: Agent, message: Moved) -> None:
    """As a handler is made."""


def a_field(kind: Any) -> dict[str, Any]:
    return {"__annotations__": {"field": kind}, "field": None}


def test_an_ephemeral_field_may_be_anything_and_stands_in_no_catalogue() -> None:
    fields = {"__annotations__": {"field": Connection | None}, "field": ephemeral(default=None)}

    assert "field" not in describe(an_agent(**fields))["state"].get("properties", {})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: a_message(0), r"M has version=0\. .* 1 is the first"),
        (lambda: a_message(-1), "M has version=-1"),
        (lambda: a_message("2"), "M has version='2'"),
        (lambda: a_message(2), "M is at version=2 and has no `upcast`"),
        (lambda: an_agent(2), "A is at version=2 and has no `upcast`"),
        (lambda: an_agent(0), "A has version=0"),
        (lambda: a_message(**a_field(Connection)), r"M\.field is a Connection, which is not stored as JSON"),
        (lambda: a_message(**a_field(dict[str, Connection])), r"M\.field is a dict\[str, .*Connection\]"),
        (lambda: an_agent(**a_field(Callable[[], int])), r"A\.field .* `ephemeral\(default=…\)`"),
        (lambda: an_agent(take=take), "A.take takes a Moved and is no handler. Write `@on` above it"),
        (lambda: Bounds(rows=-1), "a bound is at least 1"),
        (lambda: DedicatedHosts(count=0), "has at least one"),
        (lambda: DedicatedHosts(gpus=-1), "no resource can be less than 0"),
        (lambda: Supervision(attempts=0), "at least 1"),
        (lambda: on(busy="wat"), "write one of queue, reject, join"),  # type: ignore[call-overload]
    ],
)
def test_a_mistake_in_a_class_is_refused_where_it_is_made(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BadClass, match=says):
        make()
