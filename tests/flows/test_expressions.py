"""Values with `${{ CEL }}` in them: what they give, always the same, and what is said when they give nothing."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from resprout.actors.errors import Rejected
from resprout.workflows.flow import ExpressionFailed, evaluate, evaluate_condition

SCOPE: dict[str, Any] = {
    "inputs": {
        "one": 1,
        "half": 0.5,
        "text": "abc",
        "none": None,
        "big": 2**70,
        "list": [1, 2, 3],
        "map": {"b": 1, "a": 2, "c.d": 3, "if": 4},
        "people": [{"name": "Ada", "tags": ["x"]}, {"name": "Grace", "tags": ["y", "z"]}],
    },
    "tasks": {
        "hello": {"output": {"text": "Hi", "times": 2}, "status": "completed", "error": None},
        "skipped": {"output": None, "status": "skipped", "error": None},
    },
    "loop": {"item": 5, "index": 0, "previous": None},
}

VALUES = [
    ("plain text", "plain text"),
    ("${{ inputs.one }}", 1),
    (" ${{ inputs.list }} ", [1, 2, 3]),
    ("n = ${{ inputs.one }}!", "n = 1!"),
    ("${{ inputs.none }}", None),
    ("<${{ inputs.none }}>", "<>"),
    ("${{ inputs.list }} ${{ inputs.one > 0 }} ${{ 2.0 }}", "[1,2,3] true 2"),
    ("$${{ inputs.one }}", "${{ inputs.one }}"),
    ("a $${{ b ${{ inputs.one }}", "a ${{ b 1"),
    ("${{ 'a }} b' }}", "a }} b"),
    ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
    ("${{ inputs.big }}", 2**70),
    ("${{ inputs.map['c.d'] }}", 3),
    ("${{ inputs.map['c.d'] + 1 }}", 4),
    ("${{ inputs.map.if + 1 }}", 5),
    ("${{ inputs.people[1].name }}", "Grace"),
    ("${{ inputs.people[inputs.one].name }}", "Grace"),
    ("${{ loop.item + 1 }}", 6),
    ("${{ loop.previous == null }}", True),
    ("${{ has(inputs.nothing) ? inputs.nothing : 'else' }}", "else"),
    ("${{ has(tasks.hello.output.text) && tasks.hello.output.text == 'Hi' }}", True),
    ("${{ inputs.list.map(x, x + inputs.one) }}", [2, 3, 4]),
    ("${{ inputs.list.map(x, x > 1, x * 2) }}", [4, 6]),
    ("${{ inputs.people.map(p, p.tags.map(t, p.name + t)) }}", [["Adax"], ["Gracey", "Gracez"]]),
    ("${{ inputs.list.filter(x, x > loop.index + 1) }}", [2, 3]),
    ("${{ inputs.map.map(k, k) }}", ["a", "b", "c.d", "if"]),
    ("${{ [0, 1].exists(x, 1 / x == 1) }}", True),
    ("${{ [1, 2].all(x, x > 0) && [1, 2].exists_one(x, x == 1) }}", True),
    ("${{ keys(inputs.map).join(',') + values({'b': 'x', 'a': 'y'}).join('') }}", "a,b,c.d,ifyx"),
    ("${{ json({'b': [1, null], 'a': 'é'}) }}", '{"a":"é","b":[1,null]}'),
    ("${{ timestamp('2026-01-01T01:00:00+01:00') }}", "2026-01-01T00:00:00Z"),
    ("${{ duration('90s') }}", "1m30s"),
    ("${{ b'abc' }}", "YWJj"),
    ("${{ {1: 'x', true: 'y'} == {} }}", False),
    ("${{ 'a,b'.split(',').map(s, s.upperAscii()) }}", ["A", "B"]),
    ("${{ math.greatest([1, 3, 2]) }}", 3),
    ("${{ [[2, 1, 2, 1].distinct(), [1].first(), [].last()] }}", [[2, 1], 1, None]),
    ("${{ sets.contains([1, 2], [2]) && !sets.intersects([1], [2]) }}", True),
    ({"k": ["${{ inputs.one }}", 2, None], "l": {"m": "x${{ 'y' }}"}}, {"k": [1, 2, None], "l": {"m": "xy"}}),
]


@pytest.mark.parametrize(("value", "result"), VALUES, ids=lambda value: str(value)[:60])
def test_a_value_with_expressions_gives_json(value: Any, result: Any) -> None:
    given = evaluate(value, SCOPE)

    assert given == result
    assert type(given) is type(result)
    json.dumps(given, allow_nan=False)


FAILURES = [
    ("inputs.nothing", "`inputs` has no field `nothing`"),
    ("inputs.txt + 'x'", "Did you mean `text`?"),
    ("tasks.hello.output.txt == 'x'", "`tasks.hello.output` has no field `txt`; it has text, times."),
    ("tasks.skipped.output.text", "(a skipped task has output null)"),
    ("inputs.one + inputs.half", "`inputs.one` is an integer, `inputs.half` is a number"),
    ("inputs.one + 1.0", "convert with int(…), double(…) or string(…)"),
    ("inputs.list[7] + 1", "`inputs.list` has 3 items"),
    ("inputs.list[-1]", "out of bounds"),
    ("inputs.one / 0", "divides by zero"),
    ("inputs.one + 9223372036854775807", "larger than 64 bits"),
    ("0.0 / (inputs.half - inputs.half)", "not a number that JSON knows"),
    ("inputs.list.map(x, 10 / (x - 1))", "divides by zero"),
    ("inputs.people.map(p, p.age)", "a map has no field `age`"),
    ("inputs.one.map(x, x)", "`map` goes through a list or a map"),
    ("inputs.list.filter(x, x)", "need a condition that is true or false"),
    ("inputs.text.size(1)", "does not take these values"),
    ("int(inputs.text)", "invalid digit"),
    ("inputs.one +", "is not CEL"),
]


@pytest.mark.parametrize(("source", "says"), FAILURES, ids=lambda value: str(value)[:60])
def test_a_failure_says_what_was_there(source: str, says: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        evaluate(f"${{{{ {source} }}}}", SCOPE)

    assert says in str(failed.value)
    assert source in str(failed.value)
    assert isinstance(failed.value, Rejected)


def test_a_condition_must_be_true_or_false() -> None:
    assert evaluate_condition("${{ inputs.one == 1 }}", SCOPE) is True
    with pytest.raises(ExpressionFailed, match="it gives an integer, but a condition must be true or false"):
        evaluate_condition("${{ inputs.one }}", SCOPE)


def test_an_error_that_the_expression_handles_is_none() -> None:
    assert evaluate("${{ inputs.list.map(x, 1 / (x - 1)).size() > 0 || true }}", SCOPE) is True


def test_ten_thousand_items_are_mapped_in_a_blink() -> None:
    scope = {"inputs": {"many": list(range(10_000))}}
    start = time.perf_counter()

    mapped = evaluate("${{ inputs.many.map(x, x + 1).filter(x, x % 2 == 0) }}", scope)

    assert len(mapped) == 5_000
    assert time.perf_counter() - start < 1.0  # the library alone needs seconds


def test_an_expression_cannot_go_on_for_ever() -> None:
    scope = {"inputs": {"many": list(range(10_000))}}

    with pytest.raises(ExpressionFailed, match="it goes through more than 300,000 items"):
        evaluate("${{ inputs.many.all(x, inputs.many.all(y, y >= 0)) }}", scope)


@pytest.mark.parametrize(
    "source",
    [
        "lists.range(1000000000)",
        "inputs.many.map(x, inputs.many).size()",
        "inputs.many.map(x, inputs.many.exists(y, true)).size()",
        "inputs.many.map(x, inputs.text).size()",
        "inputs.text.replace('', inputs.text).size()",
        "inputs.many.map(x, 'x').join(inputs.text)",
        "inputs.text.split('').size() + lists.range(100001).size()",
        "lists.range(400).filter(x, size(lists.range(100000)) > 0).size()",
        "lists.range(400).exists(x, size(lists.range(100000)) < 0) || true",
        "inputs.many.filter(x, x in inputs.many).size()",
        "inputs.many.filter(x, size(inputs.many + inputs.many) < 0).size()",
        "inputs.many.map(x, [1].map(y, size(inputs.many))).size()",
        "[1].map(a, [1].map(b, " + "[" * 20 + "1" + "].map(a, [a, a])" * 20 + "))",
    ],
)
def test_an_expression_cannot_make_much_of_little(source: str) -> None:
    start = time.perf_counter()

    with pytest.raises(ExpressionFailed, match="more than"):
        evaluate(f"${{{{ {source} }}}}", {"inputs": {"many": list(range(10_000)), "text": "x" * 60_000}})

    assert time.perf_counter() - start < 2


def test_sets_of_ten_thousand_items_are_compared_in_a_blink() -> None:
    start = time.perf_counter()

    assert (
        evaluate(
            "${{ inputs.m.distinct().size() }} ${{ sets.equivalent(inputs.m, inputs.m) }}",
            {"inputs": {"m": list(range(10_000))}},
        )
        == "10000 true"
    )

    assert time.perf_counter() - start < 1


def test_what_is_not_referred_to_is_not_touched() -> None:
    class Forbidden(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            assert key == "wanted"
            return super().__getitem__(key)

    tasks = Forbidden(wanted={"output": {"n": 1}}, other={"output": object()})

    assert evaluate("${{ tasks.wanted.output.n + 1 }}", {"tasks": tasks}) == 2


def test_another_process_gives_the_same_text() -> None:
    expression = "${{ json(inputs.map) + string(inputs.map.map(k, k + 'x').size()) + inputs.map.map(k, k).join('') }}"
    program = f"""
from resprout.workflows.flow import evaluate
print(evaluate({expression!r}, {{"inputs": {{"map": {{c: 1 for c in "qwertyuiop"}}}}}}))
"""

    said = {subprocess.check_output([sys.executable, "-c", program], timeout=60) for _ in range(3)}

    assert len(said) == 1
