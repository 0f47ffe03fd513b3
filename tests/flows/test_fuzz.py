"""Whatever a file holds, reading it ends in a flow or in problems with places and fixes, never in an exception."""

import string
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resprout.workflows.flow import ExpressionFailed, Reading, check, document, evaluate, read
from resprout.workflows.flow.model import TASK_WORDS, Flow, TaskBase

GOOD = [path.read_text() for path in sorted((Path(__file__).parent / "good").glob("*.flow.yaml"))]
PIECES = [
    "\t",
    "\n",
    "  ",
    ": ",
    "- ",
    "${{",
    "}}",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "'",
    '"',
    "|",
    "#",
    "null",
    "1e999",
    "é",
    "\x00",
]
WORDS = sorted(
    {*Flow.model_fields, *TaskBase.model_fields, *TASK_WORDS, "with", "if", "over", "do", "then", "as", "on"}
)
FUZZED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_sound(reading: Reading) -> None:
    assert (reading.flow is None) == bool(reading.errors)
    for problem in reading.problems:
        assert problem.message
        assert problem.fix
        assert str(problem)
        assert problem.as_json()


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A good file after a few edits: cuts, copies, and pieces of YAML and CEL where they do not belong."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from([*PIECES, *WORDS, text[start:end] * 2, ""]))
        text = text[:start] + piece + text[draw(st.sampled_from([start, end])) :]
    return text


@given(mutations())
@FUZZED
def test_a_damaged_file_gives_problems_and_no_exception(text: str) -> None:
    reading = read(text, "damaged.flow.yaml")

    assert_sound(reading)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in reading.problems)


@given(st.text(alphabet=string.printable + "é\u2028\ufeff", max_size=200))
@FUZZED
def test_any_text_gives_problems_and_no_exception(text: str) -> None:
    assert_sound(read(text, "any.flow.yaml"))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
scalars |= st.sampled_from(
    ["${{ inputs.x }}", "${{ tasks.a.output }}", "${{", "a", "5m", "${{ loop.item }}", "${{ 1 + }}"]
)
keys = st.sampled_from(WORDS) | st.text(max_size=6)
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)
documents = (
    st.fixed_dictionaries({"flow": st.just({"name": "x"}) | values, "tasks": st.lists(values, max_size=5) | values})
    | values
)


@given(documents)
@FUZZED
def test_any_json_gives_problems_and_no_exception(value: Any) -> None:
    reading = check(value)

    assert_sound(reading)
    if reading.flow is not None:
        assert check(document(reading.flow)).flow == reading.flow


SCOPE = {"a": {"b": [1, 2.5, None, "x"]}, "b": "text", "x": {"a": 1}, "loop": {"item": 1}}


@given(st.text(alphabet="abx. []()'\"{}:,+-*/?!=<>&|1 0_\n", max_size=40) | st.sampled_from(["x", "loop"]))
@FUZZED
def test_any_expression_has_a_value_or_fails_in_words(source: str) -> None:
    with suppress(ExpressionFailed):
        evaluate(f"${{{{ {source} }}}}", SCOPE)
