"""Tools for numbers."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.builtin import numbers
from resprout.activities.tools.builtin.arithmetic import compute
from resprout.activities.tools.builtin.units import KINDS, converted
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4 ** 2", 50),
        ("-(7 // 2) % 5", 2),
        ("sqrt(2) ** 2 - 2", pytest.approx(0)),
        ("(1 + rate) ** years * 100", pytest.approx(121)),
        ("max(1, 2, min(5, 3)) + round(pi, 2)", pytest.approx(6.14)),
        ("factorial(20) / comb(5, 2)", 243290200817664000.0),
        ("2 ** 200", 2**200),
    ],
)
async def test_an_expression_is_computed(hands: Hands, expression: str, value: Any) -> None:
    said = await hands.use(numbers.evaluate, expression=expression, variables={"rate": 0.1, "years": 2})

    assert said["value"] == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("9**9**9", "more than 10,000 bits"),
        ("(9**3000)**100", "more than 10,000 bits"),
        ("factorial(10**9)", "more than 10,000 bits"),
        ("comb(10**9, 10**6)", "more than 10,000 bits"),
        ("9.0**9**9", "has no value"),
        ("1 / 0", "has no value: division by zero"),
        ("(-8) ** 0.5", "no value that is a real number"),
        ("__import__('os')", "is nothing that is known here: write numbers"),
        ("(1).__class__", "is nothing that is known here"),
        ("[1 for _ in x]", "is nothing that is known here"),
        ("'a' * 10**9", "is nothing that is known here"),
        ("True", "is nothing that is known here"),
        ("1 << 9**9", "the operator LShift is not known here"),
        ("1 +", "cannot be read"),
        ("(" * 900 + "1" + ")" * 900, "cannot be read|too deep"),
        ("-" * 1_900 + "1", "cannot be read|too deep"),
        ("sqrt(1, 2)", "has no value"),
    ],
)
async def test_what_is_no_arithmetic_or_grows_too_much_is_refused(hands: Hands, expression: str, said: str) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(numbers.evaluate, expression=expression)


@given(st.text("0123456789+-*/().e% ,sqrtpi", max_size=40))
def test_any_expression_gives_a_finite_number_or_a_sentence(expression: str) -> None:
    try:
        value = compute(expression, {})
    except (ToolError, BadArguments):
        return

    assert isinstance(value, int) or math.isfinite(value)


async def test_numbers_are_described(hands: Hands) -> None:
    described = await hands.use(numbers.describe, numbers=[4, 1, 2, 2, 10], percentiles=[90])

    assert described == {
        "count": 5,
        "sum": 19.0,
        "mean": 3.8,
        "median": 2.0,
        "mode": 2.0,
        "minimum": 1.0,
        "maximum": 10.0,
        "stdev": pytest.approx(3.63318042),
        "variance": pytest.approx(13.2),
        "quartiles": [2.0, 2.0, 4.0],
        "percentiles": {"90": pytest.approx(7.6)},
    }


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1, "mi", "km", 1.609344),
        (100, "C", "F", 212),
        (0, "K", "C", -273.15),
        (1, "kWh", "MJ", 3.6),
        (8, "bit", "B", 1),
        (1, "GiB", "MiB", 1024),
        (180, "deg", "rad", math.pi),
        (1, "year", "d", 365.2425),
    ],
)
async def test_a_measure_is_converted(hands: Hands, value: float, source: str, target: str, expected: float) -> None:
    said = await hands.use(numbers.convert, value=value, source=source, target=target)

    assert said["value"] == pytest.approx(expected)


@given(st.sampled_from([(a, b) for units in KINDS.values() for a in units for b in units]), st.floats(-1e6, 1e6))
def test_a_measure_converted_there_and_back_is_the_same(units: tuple[str, str], value: float) -> None:
    a, b = units

    assert converted(converted(value, a, b), b, a) == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"number": 1234567.891}, "1,234,567.89"),
        ({"number": 1234.5, "thousands": ".", "point": ","}, "1.234,50"),
        ({"number": 0.1234, "style": "percent", "decimals": 1}, "12.3 %"),
        ({"number": 1500000, "style": "bytes"}, "1.43 MiB"),
        ({"number": 512, "style": "bytes"}, "512 B"),
        ({"number": 123456, "style": "scientific", "decimals": 1}, "1.2e+05"),
        ({"number": 1994, "style": "roman"}, "MCMXCIV"),
        ({"number": 2**70, "decimals": 0, "thousands": ""}, "1180591620717411303424"),
    ],
)
async def test_a_number_is_written_for_people(hands: Hands, arguments: dict[str, Any], text: str) -> None:
    assert (await hands.use(numbers.format_number, **arguments))["text"] == text


async def test_the_same_call_draws_the_same_and_another_draws_anew(hands: Hands) -> None:
    arguments: dict[str, Any] = {"high": 2**50, "count": 5}

    first = await hands.use_by("one", numbers.random, **arguments)
    again = await hands.use_by("one", numbers.random, **arguments)
    other = await hands.use_by("two", numbers.random, **arguments)

    assert first == again != other
    assert all(1 <= one <= 2**50 for one in first["values"])
    assert sorted((await hands.use(numbers.random, kind="shuffle", among=[3, 1, 2]))["values"]) == [1, 2, 3]
    assert (await hands.use(numbers.random, kind="choice", among=["a"]))["values"] == ["a"]
    assert 1 <= (await hands.use(numbers.random, kind="decimal", high=2))["values"][0] <= 2


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (numbers.describe, {"numbers": []}, "`numbers`"),
        (numbers.describe, {"numbers": [1, float("nan")]}, "`numbers.1`"),
        (numbers.convert, {"value": 1, "source": "KM", "target": "mi"}, "there is no unit 'KM': did you mean `km`"),
        (numbers.convert, {"value": 1, "source": "kg", "target": "m"}, "`kg` is a unit of mass, `m` one of length"),
        (numbers.format_number, {"number": 0.5, "style": "roman"}, "has no Roman form: give a whole number"),
        (numbers.format_number, {"number": 1, "thousands": ".", "point": "."}, "are the same sign"),
        (numbers.random, {"kind": "choice"}, "`among` is empty"),
        (numbers.random, {"low": 2, "high": 1}, "`low` is 2, above `high`"),
    ],
)
async def test_what_a_tool_for_numbers_cannot_do_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)
