"""From the nodes of YAML to JSON values that keep their places.

YAML can do more than a flow file needs: tags, merge keys, dates, `yes` for true, aliases that multiply. Scalars are
read as in JSON and YAML 1.2, and the rest is refused with what to write instead.
"""

import math
import re
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from .problem import Path
from .source import Mark, Source

DEEPEST = 60
MOST_ALIASES = 200
MOST_NODES = 500_000

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OTHER_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))
_IMPLICIT = ("null", "bool", "int", "float", "timestamp", "value", "merge")


def stand(source: Source, path: Path, node: Any) -> None:
    start, end = node.start_mark, node.end_mark
    source.values[path] = Mark(start.line, start.column, start.index, end.index)


class Reader:
    """Turns nodes into JSON values, and reports what JSON has not."""

    too_much = False
    """A limit is passed: what was read is a part, and not worth checking."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = 0
        self.aliases = 0
        self.seen: set[int] = set()
        self.inside: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        stand(self.source, path, node)
        if not self._bearable(node, path):
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._plain(node, path)
        self.inside.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self.inside.discard(id(node))

    def _bearable(self, node: Node, path: Path) -> bool:
        """Whether to go on: aliases can make a small file endless, deep nesting can break those who read after us."""
        self.nodes += 1
        if id(node) in self.inside:
            self._refuse(path, "an alias that contains itself", "write the value out")
            return False
        if not isinstance(node, ScalarNode):
            self.aliases += id(node) in self.seen
            self.seen.add(id(node))
        if len(path) > DEEPEST:
            self._give_up(path, f"it is nested deeper than {DEEPEST} levels", "move the inner tasks into a child flow")
            return False
        if self.aliases > MOST_ALIASES:
            self._give_up(path, f"more than {MOST_ALIASES} aliases", "write the values out, or use `env` and `loop`")
            return False
        if self.nodes > MOST_NODES:
            self._give_up(path, f"more than {MOST_NODES:,} values", "split the file into child flows")
            return False
        return True

    def _refuse(self, path: Path, message: str, fix: str) -> None:
        self.source.findings.add(path, message, fix)

    def _give_up(self, path: Path, message: str, fix: str) -> None:
        if not self.too_much:
            self._refuse(path, message, fix)
        self.too_much = True

    def _mapping(self, node: MappingNode, path: Path) -> Any:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            mark = Mark(key_node.start_mark.line, key_node.start_mark.column, *_span(key_node))
            if key in mapping:
                self.source.keys[here] = mark
                first = self.source.values[here].line + 1
                self.source.findings.on_word(
                    here, f"`{key}` is given twice, first in line {first}", "leave one of them out"
                )
                continue
            self.source.keys[here] = mark
            mapping[key] = self.value(value_node, here)
        return mapping

    def _key(self, node: Node, path: Path) -> str | None:
        here = (*path, f"<{node.start_mark.index}>")
        stand(self.source, here, node)
        if not isinstance(node, ScalarNode):
            self._refuse(here, "a list or mapping stands where a word belongs", "write `word: value`")
            return None
        if node.value == "<<" and node.style is None:
            self._refuse(
                here, "`<<` (merging) is not part of flow files", "write the words out, or alias a whole value"
            )
            return None
        value = self._scalar(node, here)
        if isinstance(value, str):
            return value
        if value is None or not node.value:
            self._refuse(here, "a word is empty", "write `word: value`")
            return None
        self._refuse(
            here, f"`{node.value}` is read as {_read_as(value)}, and words are texts", f'write "{node.value}":'
        )
        return None

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        if not self._plain(node, path) or node.style is not None or _tag(node) == "tag:yaml.org,2002:str":
            return node.value
        text = node.value
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text) and len(text) < 300:
            return int(text)
        if _OTHER_INT.fullmatch(text) and len(text) < 300:
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return self._float(text, path)
        if _NOT_JSON.fullmatch(text):
            self._refuse(path, f"`{text}` is no number that JSON knows", "write a number, or a text in quotes")
            return None
        return text

    def _float(self, text: str, path: Path) -> float | None:
        if math.isfinite(number := float(text)):
            return number
        self._refuse(path, f"`{text[:40]}` is too large a number", "write a smaller one, or a text in quotes")
        return None

    def _plain(self, node: Node, path: Path) -> bool:
        tag = _tag(node)
        if tag in _PLAIN_TAGS or tag.rpartition(":")[2] in _IMPLICIT:
            return True
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._refuse(path, f"the tag `{shown}` is not part of flow files", "leave the tag out")
        return False


def _tag(node: Node) -> str:
    return str(node.tag)


def _span(node: Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _read_as(value: Any) -> str:
    return "true or false" if isinstance(value, bool) else "a number"
