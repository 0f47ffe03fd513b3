"""JSON Schemas as the local model's grammar takes them.

The grammar (llguidance, inside llama.cpp) refuses a schema whole for one word that it does not know, and llama.cpp then
lets the model write what it likes, without a word. So nothing reaches it but what it is known to hold:

- What says less without harm is left out: titles, defaults, formats and patterns that it cannot hold, `uniqueItems`,
  `not`, `if`, … What comes out may then break that one rule; whoever asked checks the answer anyhow.
- What has no end gets one: a small model begins a number or a list and never stops. Everything that comes out is still
  allowed by the schema; it is only that not all that is allowed can come out.
- A reference that leads out of the schema cannot be left out, and is refused.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from ....actors.models import BadPrompt

Schema = dict[str, Any]

LONGEST_TEXT = 2_000
MOST_ITEMS = 8
MOST_ITEMS_ASKED = 64
MOST_FREE_NAMES = 4
FREE_NAME = "^[a-zA-Z_][a-zA-Z0-9_]{0,29}$"
LARGEST_NUMBER = 1_000_000_000
SMALLEST_STEP = 0.0001
WIDE_ENOUGH = 1.0  # a range of numbers in which steps can be made
# Of the formats that JSON Schema names, those that llguidance holds and that end.
FORMATS = {"date-time", "time", "date", "duration", "hostname", "ipv4", "ipv6", "uuid", "email"}
ENDLESS_FORMATS = {"email": 100, "hostname": 100, "duration": 40}
LOOKS_AROUND = re.compile(r"\(\?<?[=!]|\\[1-9]|\(\?P=|\\k<")
SCALAR: Schema = {
    "anyOf": [
        {"type": "string", "maxLength": 200},
        {"type": "integer", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER},
        {"type": "boolean"},
        {"type": "null"},
    ]
}
COMBINED = ("anyOf", "oneOf", "allOf", "$ref")
DEFINED = ("$defs", "definitions")


@dataclass(frozen=True)
class Reduction:
    whose: str  # for errors: what the schema is of
    root: str  # where it will stand in the grammar's own schema, as a JSON pointer: its references lead there

    def whole(self, schema: JsonValue) -> Schema:
        try:
            return self.of(schema)
        except (TypeError, ValueError, AttributeError) as error:
            raise BadPrompt(f"the JSON Schema of {self.whose} is none: {error}. Mend it.") from None

    def of(self, schema: JsonValue, *, closing: bool = True) -> Schema:
        """`closing`: whether an object may be shut for names that it does not list. Parts that are put together with
        others may not: each would shut out the names of the others."""
        if not isinstance(schema, dict):
            return dict(SCALAR) if schema in (True, None) else {"enum": []}
        kept: Schema = {word: schema[word] for word in ("enum", "const") if word in schema}
        if not kept:
            alone = not any(word in schema for word in COMBINED)
            kept |= self._typed(schema, closing=closing and alone)
            kept |= self._combined(schema, closing=closing)
        for word in DEFINED:
            if isinstance(parts := schema.get(word), dict):
                kept[word] = {name: self.of(part) for name, part in parts.items()}
        return kept if kept.keys() - set(DEFINED) else {**kept, **SCALAR}

    def _combined(self, schema: Schema, *, closing: bool) -> Schema:
        kept: Schema = {}
        closing = closing and not isinstance(schema.get("properties"), dict)
        if isinstance(ways := schema.get("anyOf") or schema.get("oneOf"), list):
            kept["anyOf"] = [self.of(way, closing=closing) for way in ways]
        if isinstance(parts := schema.get("allOf"), list):
            kept["allOf"] = [self.of(part, closing=closing and len(parts) == 1) for part in parts]
        if isinstance(reference := schema.get("$ref"), str):
            if reference != "#" and not reference.startswith("#/"):
                raise BadPrompt(
                    f"the JSON Schema of {self.whose} refers to {reference!r}, which the local model cannot look up. "
                    "Put what it refers to under `$defs` of the same schema."
                )
            kept["$ref"] = f"{self.root}{reference[1:]}"
        return kept

    def _typed(self, schema: Schema, *, closing: bool) -> Schema:
        types = _types(schema)
        kept: Schema = {"type": types[0] if len(types) == 1 else types} if types else {}
        if "string" in types:
            kept |= _text(schema)
        if "integer" in types or "number" in types:
            kept |= _number(schema, whole="number" not in types)
        if "array" in types:
            kept |= self._list(schema)
        if "object" in types:
            kept |= self._object(schema, closing=closing)
        return kept

    def _list(self, schema: Schema) -> Schema:
        items, first = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, list):  # as it was written before 2020
            items, first = schema.get("additionalItems", False), items
        fewest = int(schema.get("minItems", 0))
        most = min(int(schema.get("maxItems", max(fewest, MOST_ITEMS))), max(fewest, MOST_ITEMS_ASKED))
        kept: Schema = {}
        if isinstance(first, list):
            kept["prefixItems"] = [self.of(item) for item in first]
        if items is False and isinstance(first, list):
            kept["items"], most = False, min(most, len(first))
        else:
            kept["items"] = self.of(True if items is None else items)
        return kept | {"maxItems": most} | ({"minItems": fewest} if fewest else {})

    def _object(self, schema: Schema, *, closing: bool) -> Schema:
        listed = schema.get("properties") or {}
        names = {name: self.of(part) for name, part in listed.items() if part is not False}
        needed = [name for name in schema.get("required", ()) if isinstance(name, str)]
        rest, patterns = schema.get("additionalProperties"), schema.get("patternProperties")
        kept: Schema = {"required": needed} if needed else {}
        if not closing:
            return kept | ({"properties": names} if names else {})
        if rest is not False and rest is not None:
            names |= {name: self.of(rest) for name in needed if name not in names}
        elif rest is None:
            names |= {name: dict(SCALAR) for name in needed if name not in names}
        if names:
            return kept | {"properties": names, "additionalProperties": False}
        if isinstance(patterns, dict) and patterns and not any(LOOKS_AROUND.search(name) for name in patterns):
            by_pattern = {name: self.of(part) for name, part in patterns.items()}
            return kept | {"patternProperties": by_pattern, "additionalProperties": False}
        if rest is False or (rest is None and schema.get("properties") == {}):
            return kept | {"properties": {}, "additionalProperties": False}
        most = min(int(schema.get("maxProperties", MOST_FREE_NAMES)), MOST_FREE_NAMES)
        free = {FREE_NAME: self.of(True if rest is None else rest)}
        return kept | {"patternProperties": free, "additionalProperties": False, "maxProperties": most}


def _types(schema: Schema) -> list[str]:
    given = schema.get("type")
    types = [given] if isinstance(given, str) else list(given or ())
    if not types and "properties" in schema:
        types = ["object"]
    elif not types and ("items" in schema or "prefixItems" in schema):
        types = ["array"]
    return [*types, "null"] if schema.get("nullable") is True and types and "null" not in types else types


def _text(schema: Schema) -> Schema:
    longest = int(schema.get("maxLength", LONGEST_TEXT))
    kept: Schema = {"maxLength": min(longest, LONGEST_TEXT)}
    if shortest := int(schema.get("minLength", 0)):
        kept |= {"minLength": shortest, "maxLength": min(longest, max(shortest, LONGEST_TEXT))}
    pattern, form = schema.get("pattern"), schema.get("format")
    if isinstance(pattern, str) and not LOOKS_AROUND.search(pattern):
        return kept | {"pattern": pattern}
    if form in FORMATS:
        return {"format": form} | ({"maxLength": ENDLESS_FORMATS[form]} if form in ENDLESS_FORMATS else {})
    return kept


def _number(schema: Schema, *, whole: bool) -> Schema:
    low, high = schema.get("minimum"), schema.get("maximum")
    kept: Schema = {}
    for word, bound in (("exclusiveMinimum", low), ("exclusiveMaximum", high)):
        given = schema.get(word)
        if given is True:  # as it was written before 2019
            kept[word] = bound
        elif given is not None and given is not False:
            kept[word] = given
    if low is not None and schema.get("exclusiveMinimum") is not True:
        kept["minimum"] = low
    if high is not None and schema.get("exclusiveMaximum") is not True:
        kept["maximum"] = high
    lowest = kept.get("minimum", kept.get("exclusiveMinimum"))
    highest = kept.get("maximum", kept.get("exclusiveMaximum"))
    if lowest is None:
        kept["minimum"] = lowest = min(-LARGEST_NUMBER, -LARGEST_NUMBER + int(highest or 0))
    if highest is None:
        kept["maximum"] = highest = max(LARGEST_NUMBER, LARGEST_NUMBER + int(lowest or 0))
    if "multipleOf" in schema:
        kept["multipleOf"] = schema["multipleOf"]
    elif not whole and highest - lowest >= WIDE_ENOUGH:
        kept["multipleOf"] = SMALLEST_STEP
    return kept
