"""YAML that people write, as plain JSON, with the place of everything in it.

The invariant: what comes out is no larger than what was written. So there are no aliases.
"""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ....actors.errors import Rejected

LARGEST = 1_000_000
DEEPEST = 100
PLAIN = {"str", "int", "float", "bool", "null"}

Path = tuple[str | int, ...]


class BadYaml(Rejected):
    """It is not YAML, or more than plain values."""


@dataclass
class Placed:
    file: str
    value: Any = None
    marks: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def at(self, path: Path) -> str:
        """FILE:LINE:COLUMN of it, or of what is there of it."""
        while path not in self.marks and path:
            path = path[:-1]
        line, column = self.marks.get(path, (0, 0))
        return f"{self.file}:{line + 1}:{column + 1}"


def read_yaml(text: str, file: str) -> Placed:
    placed = Placed(file)
    if len(text) > LARGEST:
        raise BadYaml(f"{file}: it has {len(text):,} characters, and {LARGEST:,} are the most.")
    loader = YAML(typ="safe", pure=True)
    try:
        node = loader.compose(text)
        placed.value = _value(loader, node, (), placed) if node is not None else None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise BadYaml(f"{file}{where}: this is not YAML: {said}.") from None
    except RecursionError:
        raise BadYaml(f"{file}: it is nested too deeply: make it flatter.") from None
    return placed


def _value(loader: YAML, node: Node, path: Path, placed: Placed) -> Any:
    if node.anchor is not None or len(path) > DEEPEST:
        said = "an anchor, by which a text means more than it says" if node.anchor else "nested too deeply"
        raise BadYaml(f"{placed.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}: {said}: write it out.")
    placed.marks.setdefault(path, (node.start_mark.line, node.start_mark.column))
    match node:
        case MappingNode():
            return dict(_member(loader, pair, path, placed) for pair in node.value)
        case SequenceNode():
            return [_value(loader, one, (*path, index), placed) for index, one in enumerate(node.value)]
        case ScalarNode():
            return _scalar(loader, node)
        case _:
            raise AssertionError(type(node))


def _member(loader: YAML, pair: tuple[Node, Node], path: Path, placed: Placed) -> tuple[str, Any]:
    key, value = pair
    name = str(key.value)
    where = (key.start_mark.line, key.start_mark.column)
    if (*path, name) in placed.marks:
        raise BadYaml(f"{placed.file}:{where[0] + 1}:{where[1] + 1}: `{name}` stands here twice: leave one out.")
    placed.marks[*path, name] = where
    return name, _value(loader, value, (*path, name), placed)


def _scalar(loader: YAML, node: ScalarNode) -> Any:
    kind = str(node.tag).rpartition(":")[2]
    return loader.constructor.construct_object(node) if kind in PLAIN else node.value
