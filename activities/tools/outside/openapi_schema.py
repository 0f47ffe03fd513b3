"""Schemas of an OpenAPI document as JSON Schema that stands alone: what it refers to comes along under `$defs`."""

from collections.abc import Iterator
from typing import Any

from .json_schema import DEEPEST, LARGEST_SCHEMA, BadSchema, is_pattern
from .openapi_document import Document, Json

# What says nothing about which values fit, and would only make each schema larger.
SILENT = {"example", "examples", "discriminator", "xml", "externalDocs", "deprecated", "nullable", "title"}
# Where schemas stand in schemas.
BY_NAME = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
IN_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
ALONE = {"items", "not", "additionalProperties", "if", "then", "else", "contains", "propertyNames"}
LONGEST_DESCRIPTION = 400
COMPONENTS = "#/components/schemas/"


class Schemas:
    """For the arguments of one operation."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._wanted: dict[str, str] = {}  # reference → name under $defs
        self._size = 0

    def of(self, given: Any) -> Json | bool:
        return self._converted(given, 0)

    def definitions(self) -> Json:
        """What was referred to, and what that refers to."""
        done: Json = {}
        while len(done) < len(self._wanted):
            for reference, name in list(self._wanted.items()):
                if name not in done:
                    done[name] = self._converted(self.document.at(reference), 0)
        return done

    def _converted(self, given: Any, depth: int) -> Json | bool:
        if isinstance(given, bool):
            return given
        if not isinstance(given, dict):
            return {}
        self._size += len(given) * 10
        if depth > DEEPEST or self._size > LARGEST_SCHEMA:
            raise BadSchema("its schema is too large, or nested too deeply.")
        if isinstance(given.get("$ref"), str):
            return {"$ref": f"#/$defs/{self._name(given['$ref'])}"}
        converted = dict(self._words(given, depth))
        return _nullable(converted) if given.get("nullable") is True else converted

    def _words(self, given: Json, depth: int) -> Iterator[tuple[str, Any]]:
        for word, said in given.items():
            if word in BY_NAME and isinstance(said, dict):
                fitting = {name: one for name, one in said.items() if word != "patternProperties" or is_pattern(name)}
                yield word, {name: self._converted(one, depth + 1) for name, one in fitting.items()}
            elif word in IN_LISTS and isinstance(said, list):
                yield word, [self._converted(one, depth + 1) for one in said]
            elif word in ALONE:
                yield word, self._converted(said, depth + 1)
            elif word not in SILENT and not word.startswith("x-"):
                yield from _plain_word(word, said, given)

    def _name(self, reference: str) -> str:
        if reference not in self._wanted:
            self.document.at(reference)
            wanted = reference.removeprefix(COMPONENTS)
            plain = "".join(char if char.isalnum() or char in "-_." else "_" for char in wanted)
            taken = set(self._wanted.values())
            self._wanted[reference] = plain if plain not in taken else f"{plain}_{len(taken)}"
        return self._wanted[reference]


def _plain_word(word: str, said: Any, schema: Json) -> Iterator[tuple[str, Any]]:
    match word:
        case "description":
            yield word, str(said)[:LONGEST_DESCRIPTION]
        case "required" if isinstance(said, list):
            yield word, [name for name in said if not _is_answer_only(schema, name)]
        case "exclusiveMinimum" | "exclusiveMaximum" if isinstance(said, bool):
            if said:  # as 3.0 writes it
                yield word, schema.get(word.replace("exclusiveM", "m"), 0)
        case "pattern" if not (isinstance(said, str) and is_pattern(said)):
            pass  # the server checks it; here it would take no bounded time
        case _:
            yield word, said


def _is_answer_only(schema: Json, name: Any) -> bool:
    one = (schema.get("properties") or {}).get(name)
    return isinstance(one, dict) and one.get("readOnly") is True


def _nullable(schema: Json) -> Json:
    kind = schema.get("type")
    if isinstance(kind, str):
        more = {"enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else {}
        return {**schema, "type": [kind, "null"], **more}
    return {"anyOf": [schema, {"type": "null"}]}
