"""What cannot be stored as it is written, refused where the class is: fields that JSON has no form for, and versions
that nothing leads to.

The invariant: what is refused here would otherwise be found when somebody's work depends on it, by a host that can
neither store what an agent did nor say in the catalogue what it takes.
"""

from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError

from .errors import BadClass

ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)
UNKNOWN = "Unable to serialize unknown type: "
DOUBTFUL = ("is-instance", "is-subclass", "callable")


def refuse_unstorable(cls: type[BaseModel], remedy: str) -> None:
    """Fields of types of which nobody has said how they are JSON. Where a name is not known yet, it is not looked."""
    if not cls.__pydantic_complete__ or not _is_doubtful(cls.__pydantic_core_schema__) or _has_json(cls):
        return
    for name, field in cls.model_fields.items():
        kind: Any = field.annotation
        if not _has_json(create_model(cls.__name__, __config__=ANY_TYPE, field=(kind, field))):
            shown = str(kind) if get_origin(kind) else kind.__name__
            raise BadClass(f"{cls.__name__}.{name} is a {shown}, which is not stored as JSON. {remedy}")


def _is_doubtful(schema: Any) -> bool:
    """A quick look: the sure one takes a hundred times as long."""
    if isinstance(schema, dict):
        return schema.get("type") in DOUBTFUL or any(map(_is_doubtful, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(_is_doubtful, schema))


def _has_json(cls: type[BaseModel]) -> bool:
    try:
        cls.model_json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema:
        return False
    return True


def why_no_json(model: BaseModel) -> str:
    """What in it cannot be written, for the sentence that refuses it. Called when writing it has failed."""
    for name, field in type(model).model_fields.items():
        try:
            if not field.exclude:
                model.model_dump_json(include={name})
        except PydanticSerializationError as error:
            return f"`{name}` {_why(error)}"
    return "its fields cannot be written together"


def _why(error: PydanticSerializationError) -> str:
    said = str(error).partition("\n")[0].rstrip(".")
    if "surrogates not allowed" in said:
        return "has half of a character (a lone surrogate, as in names of files that are no UTF-8)"
    if said.startswith(UNKNOWN):
        return f"holds something of {said.removeprefix(UNKNOWN)}, which JSON has no form for"
    return said


def overrides(cls: type, base: type, method: str) -> bool:
    return bool(getattr(cls, method).__func__ is not getattr(base, method).__func__)


def refuse_version(name: str, version: object, *, upcasts: bool) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadClass(f"{name} has version={version!r}. Versions are whole numbers: 1 is the first, a change adds 1.")
    if version > 1 and not upcasts:
        raise BadClass(
            f"{name} is at version={version} and has no `upcast`: what is stored in an older one could not be read. "
            "Give it one, or leave `version` out while nothing is stored."
        )
