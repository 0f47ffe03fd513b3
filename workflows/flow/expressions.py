"""Evaluates values with `${{ CEL }}` in them, the same for the same scope wherever and whenever it happens.

A text that is one expression becomes that expression's value with its type; in a longer text the values are written
into it. The scope is a mapping of the roots: `inputs`, `tasks`, `env`, `run`, `loop`, `error`.
"""

import logging
from typing import Any

from pydantic import JsonValue

from ...actors.errors import Rejected
from .macros import Fuel
from .programs import PREFIX, Scope, program, run
from .reasons import first_line, follow, reason_of
from .references import Reference, references
from .templates import ESCAPED, OPENING, Hole, template
from .values import as_json, as_text, kind_of

__all__ = ["ExpressionFailed", "Scope", "evaluate", "evaluate_condition", "references", "references_in"]

# The library logs each error of a function of ours, also one that the expression handles.
logging.getLogger("cel").setLevel(logging.CRITICAL)


class ExpressionFailed(Rejected, of_one_text=False):
    """An expression has no value in this scope; trying again gives the same."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"the expression `{' '.join(self.source.split())}` failed: {self.reason}"


def evaluate(value: Any, scope: Scope) -> Any:
    """The JSON value with every expression in it replaced by what it gives; raises ExpressionFailed."""
    match value:
        case str():
            return _evaluate_text(value, scope) if OPENING in value else value
        case dict():
            return {key: evaluate(inner, scope) for key, inner in value.items()}
        case list() | tuple():
            return [evaluate(inner, scope) for inner in value]
        case _:
            return value


def evaluate_condition(text: str, scope: Scope) -> bool:
    """The value of `if`, `while` or `until`, which must be true or false; raises ExpressionFailed."""
    value = evaluate(text, scope)
    if not isinstance(value, bool):
        raise ExpressionFailed(_source_of(text), f"it gives {kind_of(value)}, but a condition must be true or false.")
    return value


def references_in(value: Any) -> tuple[Reference, ...]:
    """Every reference of every expression in a JSON value."""
    match value:
        case str():
            return tuple(ref for hole in template(value).holes for ref in references(hole.source))
        case dict():
            return tuple(ref for inner in value.values() for ref in references_in(inner))
        case list() | tuple():
            return tuple(ref for inner in value for ref in references_in(inner))
        case _:
            return ()


def _source_of(text: str) -> str:
    whole = template(text).whole
    return whole.source if whole else text


def _evaluate_text(text: str, scope: Scope) -> JsonValue:
    read = template(text)
    if read.unclosed is not None:
        raise ExpressionFailed(
            text, f"its `{OPENING}` is never closed by `}}}}`; a literal one is written `{ESCAPED}`."
        )
    if read.whole is not None:
        return evaluate_expression(read.whole.source, scope)
    return "".join(
        as_text(evaluate_expression(part.source, scope)) if isinstance(part, Hole) else part for part in read.parts
    )


def evaluate_expression(source: str, scope: Scope) -> JsonValue:
    """The value of one CEL expression, written without `${{ }}`."""
    source = source.strip()
    try:
        ready = program(source)
    except ValueError as error:
        raise ExpressionFailed(source, f"it is not CEL: {first_line(error)}") from None
    if ready.bare is not None:
        return _look_up(source, ready.bare, scope)
    fuel = Fuel()
    try:
        value = run(ready, scope, {}, fuel)
        fuel.burn(0)  # `||` and `exists` pass over what fails; this they cannot pass over
        return as_json(value)
    except Exception as error:  # noqa: BLE001 - the library raises whatever its functions do; all of it is told
        is_ours = fuel.left < 0 or f"Function '{PREFIX}" in str(error)
        cause = fuel.failure if is_ours and fuel.failure is not None else error
        raise ExpressionFailed(source, reason_of(cause, ready, scope)) from None


def _look_up(source: str, reference: Reference, scope: Scope) -> JsonValue:
    found, lost = follow(reference, scope)
    if lost is not None:
        raise ExpressionFailed(source, lost)
    return found  # type: ignore[no-any-return]  # scopes hold JSON
