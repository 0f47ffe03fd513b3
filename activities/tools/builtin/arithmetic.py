"""Expressions of numbers, computed without Python's own `eval`: what is not in the tables here does not exist.

No result is larger than a bound that is checked before it is computed: `9**9**9` is refused, not tried.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..tool import BadArguments, ToolError

MOST_BITS = 10_000  # of a whole number: some 3,000 digits
MOST_FACTORIAL = 1_000
LONGEST = 2_000

Number = int | float

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_SIMPLE = (
    "sqrt cbrt exp log log2 log10 sin cos tan asin acos atan atan2 sinh cosh tanh degrees radians hypot "
    "floor ceil trunc"
)
_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(math, name) for name in _SIMPLE.split()}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def compute(expression: str, variables: Mapping[str, Number]) -> Number:
    tree = _parse(expression)
    try:
        value: Number | complex = _value(tree.body, {**CONSTANTS, **variables})
    except (ZeroDivisionError, OverflowError, ValueError, TypeError) as error:
        raise ToolError(f"`{expression[:200]}` has no value: {error}.") from None
    except RecursionError:
        raise _refusal(expression, "is nested too deep") from None
    if isinstance(value, complex) or not (isinstance(value, int) or math.isfinite(value)):
        raise ToolError(f"`{expression[:200]}` has no value that is a real number: check the signs and roots in it.")
    return value


def _parse(expression: str) -> ast.Expression:
    try:
        return ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(expression, f"cannot be read ({str(error).partition('(')[0].strip()})") from None


def _refusal(expression: str, what: str) -> BadArguments:
    names = ", ".join(sorted([*_FUNCTIONS, *_BOUNDED]))
    return BadArguments(f"`{expression[:200]}` {what}: write numbers, + - * / // % **, brackets, and {names}.")


def _value(node: ast.expr, names: Mapping[str, Number]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _fits(number)
        case ast.Name(id=name) if name in names:
            return _fits(names[name])
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return _fits(_binary(op, _value(left, names), _value(right, names)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS or name in _BOUNDED:
            function = _FUNCTIONS.get(name) or _BOUNDED[name]
            return _fits(function(*(_value(one, names) for one in arguments)))
    raise _refusal(ast.unparse(node), "is nothing that is known here")


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    match op:
        case ast.Pow():
            return _power(left, right)
        case ast.Mult():
            return left * right  # of two bounded numbers; at most twice as long
        case _ if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](left, right)
    raise BadArguments(f"the operator {type(op).__name__} is not known here: use + - * / // % **.")


def _power(base: Any, exponent: Any) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1
    if whole and base.bit_length() * abs(exponent) > MOST_BITS * 2:
        raise _too_large()
    return base**exponent


def _fits(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise _too_large()
    return value


def _too_large() -> ToolError:
    return ToolError(f"a number of the expression has more than {MOST_BITS:,} bits: write it as a decimal, as in 9.0.")


def _factorial(number: Any) -> int:
    if number > MOST_FACTORIAL:
        raise _too_large()
    return math.factorial(number)


def _comb(of: Any, chosen: Any) -> int:
    if of > MOST_FACTORIAL:
        raise _too_large()
    return math.comb(of, chosen)


def _round(number: Any, digits: Any = 0) -> Any:
    if not isinstance(digits, int) or abs(digits) > 300:
        raise ValueError("round takes a whole number of digits, at most 300")
    return round(number, digits) if digits else round(number)


_BOUNDED: dict[str, Callable[..., Any]] = {
    "factorial": _factorial,
    "comb": _comb,
    "round": _round,
    "abs": abs,
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "sum": lambda *numbers: math.fsum(numbers) if any(isinstance(one, float) for one in numbers) else sum(numbers),
    "gcd": math.gcd,
}
