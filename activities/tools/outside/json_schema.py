"""JSON Schema from outside, which is read as hostile, as is what it is held against.

The invariant: to check a value costs no network and bounded time. A `$ref` leads within the document or is refused;
patterns are RE2's, whose time is linear; each keyword that is looked at counts, and there is an end to it.
"""

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import re2
from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from ....actors.errors import Rejected
from .schema_words import sentence

LARGEST_SCHEMA = 200_000  # characters of JSON
LARGEST_VALUE = 1_000_000
MOST_VALUES = 50_000  # in one value: elements, members, and what they hold
DEEPEST = 64
MOST_STEPS = 100_000  # keywords looked at: about a second
OF_REFERENCE = 5  # steps that it costs to follow one
MOST_PROBLEMS = 20
LONGEST_PATTERN = 1_000

Path = tuple[str | int, ...]


class BadSchema(Rejected):
    """A JSON Schema that cannot be held against anything, or not safely."""


class TooMuch(Exception):
    """To check it would take too long."""


@dataclass(frozen=True)
class Problem:
    kind: str  # a keyword of JSON Schema
    path: Path
    said: str


class JsonSchema:
    """One that was found good. What it says of formats is for people: they are not checked."""

    def __init__(self, document: dict[str, Any], what: str) -> None:
        self.document = document
        _refuse_unbounded(document, what)
        dialect = validator_for(document, default=Draft202012Validator)
        try:
            _check(dialect, document)
            _refuse_patterns(document, what)
            self._validator: Validator = _bounded(dialect)(document, registry=EMPTY_REGISTRY)
            _refuse_references(document, self._validator, what)
        except SchemaError as error:
            where = "/".join(map(str, error.absolute_path)) or "its top"
            raise BadSchema(f"the schema of {what} is wrong at {where[:200]}: {error.message[:300]}.") from None
        except RecursionError:
            raise BadSchema(f"the schema of {what} is nested too deeply. Make it flatter.") from None

    def problems(self, value: Any) -> list[Problem]:
        """At most so many. A value that is too large is told as one."""
        excess = _excess(value)
        if excess:
            return [Problem("size", (), excess)]
        spent = _steps.set([0])
        try:
            return [
                Problem(str(error.validator), tuple(error.absolute_path), sentence(error))
                for error, _ in zip(self._validator.iter_errors(value), range(MOST_PROBLEMS), strict=False)
            ]
        except (TooMuch, RecursionError):
            return [Problem("size", (), "it takes too long to check it against the schema: give less, or simpler")]
        finally:
            _steps.reset(spent)


def _check(dialect: Any, document: dict[str, Any]) -> None:
    """Each definition by itself: the operations of one API share hundreds of them, and it takes milliseconds."""
    definitions = document.get("$defs")
    if not isinstance(definitions, dict):
        dialect.check_schema(document)
        return
    dialect.check_schema({word: said for word, said in document.items() if word != "$defs"})
    for one in definitions.values():
        _check_once(dialect, json.dumps(one, sort_keys=True))


@lru_cache(maxsize=4_096)
def _check_once(dialect: Any, text: str) -> None:
    dialect.check_schema(json.loads(text))


def _refuse_unbounded(document: Any, what: str) -> None:
    if not isinstance(document, dict):
        raise BadSchema(f"the schema of {what} must be an object of JSON, and is {type(document).__name__}.")
    deepest, _ = _measured(document)
    if deepest > DEEPEST:
        raise BadSchema(f"the schema of {what} is nested more than {DEEPEST} deep. Make it flatter.")
    size = len(json.dumps(document, default=str))
    if size > LARGEST_SCHEMA:
        raise BadSchema(f"the schema of {what} has {size:,} characters, and {LARGEST_SCHEMA:,} are the most.")


def _excess(value: Any) -> str | None:
    deepest, count = _measured(value)
    if deepest > DEEPEST:
        return f"it is nested more than {DEEPEST} deep"
    if count > MOST_VALUES:
        return f"it holds {count:,} values, and {MOST_VALUES:,} are the most"
    size = len(json.dumps(value))
    return f"it has {size:,} characters as JSON, and {LARGEST_VALUE:,} are the most" if size > LARGEST_VALUE else None


def _measured(value: Any) -> tuple[int, int]:
    """How deep it is and how much it holds; not by recursion, which depth would break."""
    deepest, count, left = 0, 0, [(value, 0)]
    while left:
        one, depth = left.pop()
        count, deepest = count + 1, max(deepest, depth)
        if depth <= DEEPEST and isinstance(one, dict | list):
            left += [(each, depth + 1) for each in (one.values() if isinstance(one, dict) else one)]
    return deepest, count


def subschemas(document: Any) -> Iterator[dict[str, Any]]:
    """Every object in it. Some are no schemas (an `enum` of objects): who looks at them must not mind."""
    left = [document]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _refuse_references(document: dict[str, Any], validator: Validator, what: str) -> None:
    for one in subschemas(document):
        for word in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = one.get(word)
            if not isinstance(target, str):
                continue
            if not target.startswith("#"):
                raise BadSchema(
                    f"the schema of {what} refers to {target[:200]!r}, which is elsewhere, and nothing is fetched: "
                    "put it under `$defs`."
                )
            try:
                validator._resolver.lookup(target)  # type: ignore[attr-defined]
            except Unresolvable:
                raise BadSchema(f"the schema of {what} refers to {target[:200]!r}, which is not in it.") from None


def _refuse_patterns(document: dict[str, Any], what: str) -> None:
    for one in subschemas(document):
        by_name = one.get("patternProperties")
        patterns = [one.get("pattern"), *(by_name if isinstance(by_name, dict) else ())]
        for pattern in patterns:
            if isinstance(pattern, str) and not is_pattern(pattern):
                raise BadSchema(
                    f"the schema of {what} has the pattern {pattern[:100]!r}, which takes no bounded time: write it "
                    "without looking ahead, behind or back."
                )
        if "unevaluatedProperties" in one and by_name:
            raise BadSchema(f"the schema of {what} joins unevaluatedProperties and patternProperties: use one of them.")


def is_pattern(text: str) -> bool:
    try:
        _compiled(text)
    except re2.error:
        return False
    return len(text) <= LONGEST_PATTERN


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


# The validators of jsonschema, each counted, and those replaced that are slow on purpose of somebody.

Keyword = Callable[[Any, Any, Any, Any], Any]
_steps: ContextVar[list[int]] = ContextVar("steps")


@cache
def _bounded(dialect: Any) -> Any:
    replaced: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    keywords = {word: _counted(word, replaced.get(word, check)) for word, check in dialect.VALIDATORS.items()}
    return extend(dialect, keywords)  # type: ignore[no-untyped-call]


def _counted(word: str, check: Keyword) -> Keyword:
    cost = OF_REFERENCE if word.endswith(("$ref", "Ref")) else 1

    def counted(validator: Any, said: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
        spent = _steps.get()
        spent[0] += cost
        if spent[0] > MOST_STEPS:
            raise TooMuch
        yield from check(validator, said, value, schema) or ()

    return counted


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not _compiled(pattern).search(value):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "object"):
        for pattern, subschema in patterns.items():
            expression = _compiled(pattern)
            for name in filter(expression.search, value):
                yield from validator.descend(value[name], subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    expressions = [_compiled(pattern) for pattern in schema.get("patternProperties", ())]
    for name in value:
        if name in schema.get("properties", ()) or any(one.search(name) for one in expressions):
            continue
        if allowed is False:
            yield ValidationError("additional", path=(name,))
        else:
            yield from validator.descend(value[name], allowed, path=name)


def _unique_items(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(value, "array") and len({_canonical(one) for one in value}) < len(value):
        yield ValidationError("unique")


def _canonical(value: Any) -> str:
    """The same for what JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True)


def _with_whole_numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_whole_numbers(one) for one in value]
        case dict():
            return {name: _with_whole_numbers(one) for name, one in value.items()}
        case _:
            return value
