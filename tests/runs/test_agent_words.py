"""The words that an agent is given: a wrong one is refused where it is written, with the one that was meant."""

from typing import Any

import pytest
from resprout.actors.errors import Rejected
from resprout.runtime.agent_runs import agent_run_input
from resprout.runtime.agent_words import AgentWords
from resprout.runtime.calls import caller
from resprout.runtime.client import Client
from resprout.runtime.payloads import Payloads
from resprout.runtime.settings import Settings
from resprout.workflows.agent_run.run_input import AgentRunInput
from temporalio.exceptions import ApplicationError

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"gaol": "x"}, "gaol: there is no such word: did you mean `goal`?"),
    ({"goal": "x", "tols": ["text.*"]}, "tols: there is no such word: did you mean `tools`?"),
    ({"goal": "x", "limits": {"costs": 1}}, "limits.costs: there is no such word: did you mean `cost`?"),
    ({"goal": "x", "limits": {"time": 3}}, "limits.time: 3 is not a length of time: write it with a unit, as in 3s"),
    (
        {"goal": "x", "limits": {"x": 3}},
        "limits.x: there is no such word: the words here are tokens, cost, calls, time",
    ),
    ({"goal": "x", "crew": {"bob": {"rol": "writer"}}}, "crew.bob.rol: there is no such word: did you mean `role`?"),
    ({"goal": "x", "crew": {"a": {"crew": {"b": {"keys": "k"}}}}}, "crew.a.crew.b.keys: there is no such word: did"),
    (
        {"goal": "x", "budget": {"tokens": 10}},
        "budget: it is the id of a budget that there is: write what it may spend",
    ),
    ({"goal": ""}, "cannot be given this: give a goal"),
    (
        {"goal": "x", "tols": 1, "persn": 1},
        "did you mean `tools`?; persn: there is no such word: did you mean `person`?",
    ),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES)
def test_a_wrong_word_is_told_with_the_nearest_one(words: dict[str, Any], says: str) -> None:
    with pytest.raises(Rejected) as caught:
        agent_run_input(**words)

    assert says in str(caught.value)
    assert str(caught.value).endswith((".", "?"))
    assert ".." not in str(caught.value)


def test_from_python_editors_know_all_words_that_are_for_people_to_say() -> None:
    ours = {"goal", "continues", "chain", "within", "carried"}

    assert set(AgentWords.__annotations__) == set(AgentRunInput.model_fields) - ours


async def test_a_wrong_word_from_python_is_refused_before_anything_is_started() -> None:
    client: Any = Client(caller(Settings()))

    with pytest.raises(Rejected, match="tols: there is no such word: did you mean `tools`"):
        await client.run_agent("x", tols=["text.*"])


def test_by_hand_a_wrong_word_is_told_alike() -> None:
    payloads = Payloads()
    (payload,) = payloads.to_payloads([{"gaol": "x"}])

    with pytest.raises(ApplicationError, match="gaol: there is no such word: did you mean `goal`") as caught:
        payloads.from_payloads([payload], [AgentRunInput])

    assert caught.value.type == "BadInput"
