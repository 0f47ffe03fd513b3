"""Which words may stand where, in which order: for unknown words, for the formatter and for the schema."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from .model import TASK_WORDS, Flow, TaskBase
from .problem import Path

TASK_LISTS = frozenset(
    {"tasks", "sequential", "then", "else", "default", "do", "try", "catch", "finally", "compensate"}
)
_FIRST = ("id", "name", "needs", "if")


class Names(NamedTuple):
    """A mapping whose keys are names of the user's own."""

    of: type[BaseModel] | None


class TaskList(NamedTuple):
    """A list of tasks, or a mapping to such lists."""


Spot = type[BaseModel] | Names | TaskList | None


def model_at(path: Path, document: Any, top: type[BaseModel] = Flow) -> type[BaseModel] | None:
    """The model of the mapping at a place of a document; None where anything goes."""
    spot: Spot = top
    here = document
    for step in path:
        here = inside(here, step)
        spot = _next(spot, step, here)
    return spot if isinstance(spot, type) else None


def inside(here: Any, step: str | int) -> Any:
    match here:
        case dict():
            return here.get(str(step))
        case list() if isinstance(step, int):
            return here[step] if step < len(here) else None
        case list() if step == "tasks":
            return here  # the short form of `parallel`
    return None


def _next(spot: Spot, step: str | int, here: Any) -> Spot:
    match spot:
        case TaskList():
            return (_kind(here) if isinstance(here, dict) else None) if isinstance(step, int) else spot
        case Names(of=model):
            return model
        case None:
            return None
    if isinstance(step, int):
        return spot  # an entry of a list has the model of the list
    if step in TASK_LISTS or step == "cases" or (step == "parallel" and isinstance(here, list)):
        return TaskList()
    field = fields(spot).get(step)
    if field is None:
        return None
    model = next(_models(field.annotation), None)
    return Names(model) if _is_mapping(field.annotation) else model


def _kind(task: dict[str, Any]) -> type[BaseModel]:
    return TASK_WORDS.get(next((word for word in task if word in TASK_WORDS), ""), TaskBase)


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields by the words of the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def in_order(model: type[BaseModel]) -> list[str]:
    """The words of a mapping as the formatter puts them: who and when, what, then how."""
    words = list(fields(model))
    if not issubclass(model, TaskBase):
        return words
    common = fields(TaskBase)
    own = [word for word in words if word not in common]
    return [*_FIRST, *own, *(word for word in common if word not in _FIRST)]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, TaskBase):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is dict or any(get_origin(argument) is dict for argument in get_args(annotation))
