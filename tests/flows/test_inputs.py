"""The inputs of a run: defaults, and sentences about what does not fit."""

from typing import Any

import pytest
from flows.reading import checked
from resprout.workflows.flow import inputs_for

FLOW = checked(
    {
        "flow": {"name": "x"},
        "inputs": {
            "topic": {"type": "string", "minLength": 2, "description": "What to look for."},
            "limit": {"type": "integer", "minimum": 1, "default": 3},
            "ratio": {"type": "number", "default": 1},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "anything": {"default": None},
            "token": {"secret": True, "default": "secret://token"},
        },
        "tasks": [{"emit": {"topic": "t"}}],
    }
)


def test_defaults_are_filled_in() -> None:
    values, problems = inputs_for(FLOW, {"topic": "ray"})

    assert problems == []
    assert values == {
        "topic": "ray",
        "limit": 3,
        "ratio": 1.0,
        "tags": [],
        "anything": None,
        "token": "secret://token",
    }
    assert isinstance(values["ratio"], float)  # CEL does not mix integers and numbers


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "input `topic` is missing: give a string (What to look for.)"),
        ({"topic": "ray", "limit": 0}, "input `limit`: 0 is less than the minimum of 1."),
        ({"topic": "ray", "limit": "3"}, 'input `limit`: "3" is a text, not an integer.'),
        ({"topic": "r"}, 'input `topic`: "r" is shorter than 2 characters.'),
        ({"topic": "ray", "tags": ["a", 1]}, "input `tags[1]`: 1 is an integer, not a text."),
        ({"topic": "ray", "limt": 3}, "there is no input `limt`: did you mean `limit`?"),
        ({"topic": "ray", "zebra": 3}, "there is no input `zebra`: the inputs are topic, limit, ratio,"),
        ({"topic": "ray", "token": "hunter2"}, "input `token` is a secret: give a reference, as in secret://token"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(given: dict[str, Any], says: str) -> None:
    _, problems = inputs_for(FLOW, given)

    assert len(problems) == 1
    assert says in problems[0]
    assert "hunter2" not in problems[0]


def test_a_pattern_that_would_keep_a_backtracking_engine_busy_for_ever_is_matched_at_once() -> None:
    flow = checked(
        {
            "flow": {"name": "x"},
            "inputs": {"x": {"type": "string", "pattern": "^(a+)+$"}},
            "tasks": [{"emit": {"topic": "t"}}],
        }
    )

    _, problems = inputs_for(flow, {"x": "a" * 34 + "!"})

    assert problems == [f'input `x`: "{"a" * 34}!" does not fit the pattern ^(a+)+$.']
