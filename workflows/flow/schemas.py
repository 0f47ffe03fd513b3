"""JSON Schema, for the inputs of a flow and the fields of a form: schemas and values checked, told in sentences."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend

from .patterns import fits, is_pattern
from .problem import Path, written
from .values import as_json_text, kind_of
from .vocabulary import did_you_mean, nearest

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_ALIASES = {"str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array"}
_ALIASES |= {"dict": "object", "map": "object", "mapping": "object", "none": "null", "date": "string"}
KEYWORDS = frozenset(
    {"$ref", "$defs", "$comment", "title", "description", "examples", "type", "enum", "const", "format", "default"}
    | {"minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "properties", "required", "secret"}
    | {"additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties"}
    | {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "deprecated"}
    | {"minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties", "readOnly", "writeOnly"}
    | {"contentEncoding", "contentMediaType", "$schema", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor"}
)


MOST_TOLD = 10  # mistakes

_VALUES = frozenset({"default", "enum", "const", "examples"})  # these hold values, not schemas


def _fits_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not (is_pattern(pattern) and fits(value, pattern)):
        yield ValidationError(f"{value!r} does not fit the pattern {pattern}")


# The library's own `pattern` is Python's: a hostile one, or a hostile value, keeps it busy for ever.
Validator = extend(Draft202012Validator, {"pattern": _fits_pattern})  # type: ignore[no-untyped-call]


def check_schema(schema: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """What is wrong with a schema, placed below it."""
    for word in schema:
        if word not in KEYWORDS and not word.startswith("x-"):
            otherwise = "use words of JSON Schema, or begin your own with x-"
            yield (word,), f"`{word}` is no word of JSON Schema", did_you_mean(word, KEYWORDS, otherwise)
    for path in _references(schema, ()):
        # They can lead to other machines, to nowhere, or round in a circle.
        yield path, f"`{path[-1]}` is not allowed here", "write the schema out"
        return
    patterns = list(_patterns(schema, ()))
    if patterns:
        yield from patterns
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = tuple(error.absolute_path)
        yield path, *_schema_sentence(error, path)
    except RecursionError:
        yield (), "the schema is nested too deeply", "make it simpler"


def _references(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for word, inner in value.items():
            if word in {"$ref", "$dynamicRef", "$id", "$schema"} and isinstance(inner, str):
                yield (*path, word)
            yield from _references(inner, (*path, word))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, (*path, index))


def _patterns(schema: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Patterns that our engine does not know; `patternProperties` would be matched by another one."""
    if isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from _patterns(inner, (*path, index))
    names = bool(path) and path[-1] == "properties"  # then a key is no word of ours
    for word, inner in schema.items() if isinstance(schema, dict) else ():
        place = (*path, word)
        if names:
            yield from _patterns(inner, place)
        elif word == "patternProperties":
            yield place, f"`{word}` is not allowed here", "use `propertyNames` and `additionalProperties`"
        elif word == "pattern" and isinstance(inner, str) and not is_pattern(inner):
            fix = "write it without look-around and references back"
            yield place, f"`{inner[:60]}` is no pattern here", fix
        elif word not in _VALUES:
            yield from _patterns(inner, place)


def _schema_sentence(error: Any, path: Path) -> tuple[str, str]:
    if path and path[-1] == "type":
        given = str(error.instance)
        near = _ALIASES.get(given.lower()) or nearest(given, TYPES)
        return f"`{given[:40]}` is no type", f"write `type: {near}`" if near else f"the types are {', '.join(TYPES)}"
    where = f"`{written(path)}` of the schema" if path else "the schema"
    return f"{where} is not valid JSON Schema: {error.message[:200]}", "mend the schema"


def sentences(value: Any, schema: dict[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a value, in sentences that begin with the value."""
    found = sorted(Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    return [(tuple(error.absolute_path), _sentence(error)) for error in found]


def misfit(value: Any, schema: dict[str, Any]) -> str | None:
    """What is wrong with a value, in one line; its first mistakes of many."""
    told = (f"`{'.'.join(map(str, path))}`: {said}" if path else said for path, said in sentences(value, schema))
    return "; ".join(islice(told, MOST_TOLD)) or None


def _sentence(error: ValidationError) -> str:
    value, bound = _shown(error.instance), cast(Any, error.validator_value)
    match error.validator:
        case "type":
            wanted = bound if isinstance(bound, str) else " or ".join(bound)
            wanted = _ARTICLES.get(wanted, wanted)
            return f"{value} is {kind_of(error.instance)}, not {wanted}" if value != "null" else f"null is not {wanted}"
        case "minimum" | "maximum":
            side = "less than the minimum" if error.validator == "minimum" else "more than the maximum"
            return f"{value} is {side} of {bound}"
        case "exclusiveMinimum" | "exclusiveMaximum":
            return f"{value} is not {'more' if error.validator == 'exclusiveMinimum' else 'less'} than {bound}"
        case "minLength" | "maxLength":
            side = "shorter" if error.validator == "minLength" else "longer"
            return f"{value} is {side} than {bound} characters"
        case "enum":
            return f"{value} is not one of {', '.join(_shown(choice) for choice in list(bound)[:20])}"
        case "pattern":
            return f"{value} does not fit the pattern {bound}"
        case "required":
            return error.message.replace("'", "`").replace(" is a required property", " is missing")
        case _:
            return error.message[:300]


_ARTICLES = {"integer": "an integer", "number": "a number", "string": "a text", "boolean": "a boolean"}
_ARTICLES |= {"array": "a list", "object": "a mapping", "null": "null"}


def _shown(value: Any) -> str:
    shown = f'"{value}"' if isinstance(value, str) else as_json_text(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
