"""Tools for numbers."""

import math
import random as randomness
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from ..tool import BadArguments, ToolCall, ToolError, tool
from .arithmetic import LONGEST, compute
from .text import OneText
from .units import converted, kind_of

Finite = Annotated[float, Field(allow_inf_nan=False)]
Real = Annotated[float, Field(allow_inf_nan=False, ge=-1e100, le=1e100)]
Amount = int | Finite


@dataclass
class Computed:
    value: int | float


@dataclass
class Statistics:
    count: int
    sum: float
    mean: float
    median: float
    mode: float
    minimum: float
    maximum: float
    stdev: float  # of a sample
    variance: float
    quartiles: tuple[float, float, float]
    percentiles: dict[str, float]  # those that were asked for


@dataclass
class Converted:
    value: float
    kind: str


@dataclass
class Drawn:
    values: list[JsonValue]


@tool("math.evaluate", version="1.0.0", contract="safe-to-retry")
def evaluate(
    expression: Annotated[str, Field(min_length=1, max_length=LONGEST, description="As in `(1 + r)**12 * sqrt(2)`.")],
    variables: Annotated[dict[str, Amount], Field(max_length=100, description="What the names stand for.")] = {},  # noqa: B006
) -> Computed:
    """Computes an expression of numbers: + - * / // % **, roots, logarithms, angles, rounding; pi, e, tau."""
    return Computed(compute(expression, variables))


@tool("math.statistics", version="1.0.0", contract="safe-to-retry")
def describe(
    numbers: Annotated[list[Real], Field(min_length=1, max_length=100_000)],
    percentiles: Annotated[list[Annotated[float, Field(gt=0, lt=100)]], Field(max_length=20)] = [],  # noqa: B006
) -> Statistics:
    """Describes numbers: count, sum, mean, median, mode, range, deviation, quartiles, percentiles."""
    ordered = sorted(numbers)
    return Statistics(
        count=len(ordered),
        sum=math.fsum(ordered),
        mean=statistics.fmean(ordered),
        median=statistics.median(ordered),
        mode=statistics.mode(numbers),
        minimum=ordered[0],
        maximum=ordered[-1],
        stdev=statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        variance=statistics.variance(ordered) if len(ordered) > 1 else 0.0,
        quartiles=(_at(ordered, 25), _at(ordered, 50), _at(ordered, 75)),
        percentiles={f"{one:g}": _at(ordered, one) for one in percentiles},
    )


def _at(ordered: list[float], percent: float) -> float:
    """Between the two nearest, as spreadsheets have it."""
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@tool("math.units", version="1.0.0", contract="safe-to-retry")
def convert(
    value: Real,
    source: Annotated[str, Field(max_length=30, description="As in `km`, `mi`, `lb`, `C`, `kWh`, `GiB`.")],
    target: Annotated[str, Field(max_length=30)],
) -> Converted:
    """Converts a measure into another unit, of length, mass, time, area, volume, speed, temperature, energy, data."""
    return Converted(converted(value, source, target), kind_of(source))


@tool("math.format", version="1.0.0", contract="safe-to-retry")
def format_number(
    number: Annotated[Amount, Field(description="The number.")],
    style: Literal["plain", "percent", "scientific", "bytes", "roman"] = "plain",
    decimals: Annotated[int, Field(ge=0, le=15)] = 2,
    thousands: Annotated[Literal["", ",", ".", " ", "'"], Field(description="Between groups of three digits.")] = ",",
    point: Annotated[Literal[".", ","], Field(description="Before the decimals.")] = ".",
) -> OneText:
    """Writes a number for people: 1,234.50, 12.3 %, 1.2e+06, 1.5 MiB, XIV."""
    if thousands == point:
        raise BadArguments(
            "`thousands` and `point` are the same sign: nobody could tell them apart. Choose another one."
        )
    if style == "roman":
        return OneText(_roman(number))
    if style == "scientific":
        return OneText(f"{number:.{decimals}e}".replace(".", point))
    unit = ""
    if style == "percent":
        number, unit = number * 100, " %"
    elif style == "bytes":
        number, unit = _bytes(number)
    written = f"{number:,.{decimals if style != 'bytes' or unit != ' B' else 0}f}"
    return OneText(written.translate({ord(","): thousands, ord("."): point}) + unit)


def _bytes(number: float) -> tuple[float, str]:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return number, f" {unit}"
        number /= 1024
    return number, " TiB"


_ROMAN = {
    1000: "M",
    900: "CM",
    500: "D",
    400: "CD",
    100: "C",
    90: "XC",
    50: "L",
    40: "XL",
    10: "X",
    9: "IX",
    5: "V",
    4: "IV",
    1: "I",
}


def _roman(number: float) -> str:
    if number != int(number) or not 0 < number < 4_000:
        raise ToolError(f"{number} has no Roman form: give a whole number from 1 to 3999.")
    written, left = "", int(number)
    for worth, letters in _ROMAN.items():
        times, left = divmod(left, worth)
        written += letters * times
    return written


@tool("math.random", version="1.0.0", contract="keyed")
def random(
    call: ToolCall,
    kind: Annotated[Literal["integer", "decimal", "choice", "shuffle"], Field(description="What to draw.")] = "integer",
    low: Annotated[int, Field(ge=-(2**53), le=2**53)] = 1,
    high: Annotated[int, Field(ge=-(2**53), le=2**53, description="The highest integer that may come.")] = 100,
    among: Annotated[list[Any], Field(max_length=10_000, description="For choice and shuffle.")] = [],  # noqa: B006
    count: Annotated[int, Field(ge=1, le=10_000)] = 1,
) -> Drawn:
    """Draws random numbers or choices. The same call, tried again, draws the same. Not for passwords or keys."""
    if kind in ("choice", "shuffle") and not among:
        raise BadArguments(f"`among` is empty: give what to {kind} from.")
    if low > high:
        raise BadArguments(f"`low` is {low}, above `high`, {high}: exchange them.")
    draw = randomness.Random(call.key)  # a string is seeded through SHA-512
    if kind == "shuffle":
        return Drawn(draw.sample(among, len(among)))
    ways: dict[str, Callable[[], Any]] = {
        "integer": lambda: draw.randint(low, high),
        "decimal": lambda: draw.uniform(low, high),
        "choice": lambda: draw.choice(among),
    }
    return Drawn([ways[kind]() for _ in range(count)])


TOOLS = (evaluate, describe, convert, format_number, random)
