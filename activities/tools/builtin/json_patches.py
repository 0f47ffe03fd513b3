"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396), pure: what is given is never changed."""

from copy import deepcopy
from typing import Any

from ..tool import BadArguments, ToolError
from .pointers import index_of, inner, look_up, pointer_of, steps_of

MOST_NODES = 1_000_000  # that copies within one patch may make


def difference(a: Any, b: Any) -> list[dict[str, Any]]:
    return _difference(a, b, ())


def _difference(a: Any, b: Any, at: tuple[str | int, ...]) -> list[dict[str, Any]]:
    if _same(a, b):
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        removed = [{"op": "remove", "path": pointer_of((*at, key))} for key in a if key not in b]
        kept = [op for key in a if key in b for op in _difference(a[key], b[key], (*at, key))]
        return removed + kept + [_add((*at, key), b[key]) for key in b if key not in a]
    if isinstance(a, list) and isinstance(b, list):
        both = min(len(a), len(b))
        kept = [op for index in range(both) for op in _difference(a[index], b[index], (*at, index))]
        removed = [{"op": "remove", "path": pointer_of((*at, index))} for index in range(len(a) - 1, both - 1, -1)]
        return kept + removed + [_add((*at, index), b[index]) for index in range(both, len(b))]
    return [{"op": "replace", "path": pointer_of(at), "value": b}]


def _add(at: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    return {"op": "add", "path": pointer_of(at), "value": value}


def _same(a: Any, b: Any) -> bool:
    """In Python True is 1, in JSON `true` is not."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return (type(a) in (int, float) and type(b) in (int, float) and a == b) or (type(a) is type(b) and bool(a == b))


def apply_patch(value: Any, operations: list[dict[str, Any]]) -> Any:
    document = [deepcopy(value)]  # in a box, so that the whole can be replaced too
    room = MOST_NODES
    for number, operation in enumerate(operations, 1):
        try:
            room -= _apply(document, operation)
        except LookupError as error:
            raise ToolError(f"operation {number} of the patch does not fit: {error.args[0]}.") from None
        if room < 0:
            raise ToolError(f"operation {number} of the patch makes the value too large: copy less.")
    return document[0]


def _apply(document: list[Any], operation: dict[str, Any]) -> int:
    """Gives how much it has copied."""
    path = steps_of(_word(operation, "path"))
    match operation.get("op"):
        case "add":
            _insert(document, path, _value(operation))
        case "remove":
            _take(document, path)
        case "replace":
            _take(document, path)
            _insert(document, path, _value(operation))
        case "move":
            source = steps_of(_word(operation, "from"))
            if path[: len(source)] == source and path != source:
                raise LookupError("nothing can be moved into itself")
            _insert(document, path, _take(document, source))
        case "copy":
            copied = deepcopy(look_up(document[0], _word(operation, "from")))
            _insert(document, path, copied)
            return _size(copied)
        case "test":
            if not _same(look_up(document[0], operation["path"]), _value(operation)):
                raise LookupError(f"`{operation['path']}` has another value than the one it tests for")
        case other:
            raise BadArguments(f"{other!r} is no operation of a patch: use add, remove, replace, move, copy or test.")
    return 0


def _word(operation: dict[str, Any], name: str) -> str:
    if not isinstance(operation.get(name), str):
        raise BadArguments(f"an operation of the patch has no `{name}`: give it a JSON Pointer, as in `/users/0`.")
    return str(operation[name])


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise BadArguments("an operation of the patch has no `value`: say which, null if that is meant.")
    return deepcopy(operation["value"])


def _home(document: list[Any], path: list[str]) -> tuple[Any, str]:
    """What it is in, and by which step."""
    home: Any = document
    for step in (steps := ["0", *path])[:-1]:
        home = inner(home, step)
    return home, steps[-1]


def _insert(document: list[Any], path: list[str], value: Any) -> None:
    home, step = _home(document, path)
    if home is document:
        document[:] = [value]
    elif isinstance(home, dict):
        home[step] = value
    elif isinstance(home, list):
        home.insert(len(home) if step == "-" else index_of(step, len(home)), value)
    else:
        raise LookupError(f"`/{'/'.join(path)}` is in neither an object nor a list")


def _take(document: list[Any], path: list[str]) -> Any:
    home, step = _home(document, path)
    taken = inner(home, step)
    if home is document:
        document[:] = [None]
    else:
        del home[step if isinstance(home, dict) else int(step)]
    return taken


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def merge_patch(value: Any, changes: Any, append: bool) -> Any:
    if isinstance(changes, list) and isinstance(value, list) and append:
        return value + changes
    if not isinstance(changes, dict):
        return changes
    merged = dict(value) if isinstance(value, dict) else {}
    for key, change in changes.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), change, append)
    return merged
