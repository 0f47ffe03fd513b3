"""JSON Schemas. Their patterns are regular expressions that can be made to take for ever."""

from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from .process import Refused

MOST = 50


def violations(value: Any, schema: Any) -> list[dict[str, str]]:
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        raise Refused(f"`json_schema` is no JSON Schema, at `/{where}`: {error.message[:300]}.") from None
    # An empty registry: no reference leads to the network.
    validator = kind(schema, registry=Registry(), format_checker=kind.FORMAT_CHECKER)
    found: list[dict[str, str]] = []
    try:
        for one in validator.iter_errors(value):
            pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in one.absolute_path)
            found.append({"pointer": pointer, "said": one.message[:500]})
            if len(found) == MOST:
                break
    except Unresolvable as error:
        raise Refused(f"`json_schema` refers to {error.ref!r}, which is not within it: put it under `$defs`.") from None
    return found
