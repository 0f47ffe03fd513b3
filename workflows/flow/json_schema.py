"""The JSON Schema of flow files, for editors: the words, their types and what each is for, all from the model."""

from typing import Any

from .model import Flow

_NOISE = ("title",)


def json_schema() -> dict[str, Any]:
    schema = Flow.model_json_schema(by_alias=True)
    schema = {word: _quiet(value) for word, value in schema.items() if word not in _NOISE}
    definitions = schema["$defs"]
    # The short form is made by a validator, which pydantic cannot see through.
    many = definitions["ParallelSpec"]["properties"]["tasks"]
    whole = definitions["Parallel"]["properties"]["parallel"]
    definitions["Parallel"]["properties"]["parallel"] = {
        "description": whole.get("description", ""),
        "anyOf": [many, {"$ref": "#/$defs/ParallelSpec"}],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Resprout flow, *.flow.yaml",
        **schema,
    }


def _quiet(value: Any) -> Any:
    """Without the titles that only repeat the names of classes and fields."""
    if isinstance(value, dict):
        return {
            word: _named(inner) if word in {"properties", "$defs", "patternProperties"} else _quiet(inner)
            for word, inner in value.items()
            if not (word in _NOISE and isinstance(inner, str))
        }
    return [_quiet(inner) for inner in value] if isinstance(value, list) else value


def _named(value: Any) -> Any:
    """The keys of these mappings are names, also when one of them is `title`."""
    return {name: _quiet(inner) for name, inner in value.items()} if isinstance(value, dict) else value
