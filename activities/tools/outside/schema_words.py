"""What is said of a value that does not fit its schema.

The invariant: nothing of the value itself is said, which may be a secret, or large.
"""

import json
from typing import Any

from jsonschema import ValidationError

NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

# By keyword; {} is what the schema says there.
WORDS = {
    "minimum": "it must be at least {}",
    "maximum": "it must be at most {}",
    "exclusiveMinimum": "it must be more than {}",
    "exclusiveMaximum": "it must be less than {}",
    "multipleOf": "it must be a multiple of {}",
    "minLength": "it must have at least {} characters",
    "maxLength": "it must have at most {} characters",
    "minItems": "it must have at least {} elements",
    "maxItems": "it must have at most {} elements",
    "minProperties": "it must have at least {} members",
    "maxProperties": "it must have at most {} members",
    "pattern": "it must match the pattern {}",
    "const": "it must be {}",
    "uniqueItems": "its elements must differ from each other",
    "additionalProperties": "there is no such argument",
    "unevaluatedProperties": "it has members that there are not",
    "not": "it must not have this form",
    "contains": "none of its elements is of the form that one must have",
}


def sentence(error: ValidationError) -> str:
    """Without a full stop."""
    said, keyword = error.validator_value, str(error.validator)
    match keyword:
        case "required":
            missing = [name for name in _list(said) if isinstance(error.instance, dict) and name not in error.instance]
            return f"{' and '.join(f'`{name}`' for name in missing[:5])} must be given"
        case "type":
            return f"it must be {_types(said)}"
        case "enum":
            shown = [json.dumps(one) for one in _list(said)]
            return f"it must be one of {', '.join(shown[:12])}" + (" and others" if len(shown) > 12 else "")
        case "anyOf" | "oneOf":
            return _forms(error)
        case "None":  # the schema is `false`
            return "nothing may be given here"
        case _ if keyword in WORDS:
            return WORDS[keyword].format(json.dumps(said, default=str)[:200])
        case _:
            return f"it does not satisfy `{keyword}` of the schema"


def _forms(error: ValidationError) -> str:
    """Where the forms are told apart by their type alone, the types; else the nearest form's first complaint."""
    inner = error.context or []
    if not inner:
        return "it has more than one of the forms of which it must have one"
    if all(one.validator == "type" and not one.path for one in inner):
        return f"it must be {_types([name for one in inner for name in _list(one.validator_value)])}"
    nearest = max(inner, key=lambda one: len(one.path))
    where = "".join(f"`{'.'.join(map(str, nearest.path))}`: " if nearest.path else "")
    return f"it has none of the {len(_list(error.validator_value))} forms that it may have; of one, {where}" + (
        sentence(nearest) if nearest.validator not in ("anyOf", "oneOf") else "nothing fits"
    )


def _types(said: Any) -> str:
    return " or ".join(dict.fromkeys(NAMES.get(str(one), str(one)) for one in _list(said)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
