"""What every mapping that people write by hand has in common, and how what is wrong with one is told."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

UNKNOWN = "extra_forbidden"


class Words(BaseModel):
    """Unknown words are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


def nearest(word: str, known: Iterable[str]) -> str | None:
    names = list(known)
    near = get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    near = near or get_close_matches(word.lower().replace("_", "-"), names, n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else otherwise


def sentence(error: ValidationError, *kinds: type[BaseModel]) -> str:
    """All that is wrong, each behind its word. The kinds are those of which it may be: they know the words that
    somebody may have meant."""
    kind = next((one for one in kinds if one.__name__ == error.title), None)
    told: dict[str, str] = {}
    # What is misspelled first: the right word is missing then, too.
    for problem in sorted(error.errors(include_url=False), key=lambda one: one["type"] != UNKNOWN):
        word = ".".join(str(step) for step in problem["loc"] if not _is_branch(step))
        told.setdefault(word, _told(problem, kind))
    whole = "; ".join(f"{word}: {said}" if word else said for word, said in told.items())
    return whole if whole.endswith("?") else f"{whole}."


def _is_branch(step: str | int) -> bool:
    """What pydantic calls a choice among types is nobody's word."""
    return isinstance(step, str) and (step.startswith("constr") or "[" in step)


def _told(problem: ErrorDetails, kind: type[BaseModel] | None) -> str:
    if problem["type"] != UNKNOWN:
        return problem["msg"].removeprefix("Value error, ").rstrip(".")
    *path, word = problem["loc"]
    words = words_of(model) if (model := _model_at(path, kind)) is not None else []
    listed = f"the words here are {', '.join(words)}" if words else "leave it out"
    return f"there is no such word: {did_you_mean(str(word), words, listed)}"


def words_of(model: type[BaseModel]) -> list[str]:
    """As they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(path: Iterable[str | int], kind: Any) -> type[BaseModel] | None:
    """Of the mapping to which a path leads; None where pydantic's path is none of words alone."""
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
            kind = fields.get(str(step))
        else:  # of a mapping or a list, what is in it
            kind = get_args(kind)[-1] if get_origin(kind) in (dict, list) else None
        kind = next(_without_none(kind), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _without_none(kind: Any) -> Iterator[Any]:
    if get_origin(kind) in (dict, list) or not get_args(kind):
        yield kind
        return
    yield from (one for one in get_args(kind) if one is not type(None))
