"""From YAML text to a JSON document in which every word and value keeps its place.

YAML can do more than a flow file needs: tags, merge keys, dates, `yes` for true, aliases that multiply. Scalars are
read as in JSON and YAML 1.2, and the rest is refused with what to write instead.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from .problem import Finding, Findings, Path, Problem, written

LARGEST = 1_000_000
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


class Mark(NamedTuple):
    """Where something stands: line and column count from 0; `start` and `end` are places in the text."""

    line: int
    column: int
    start: int
    end: int


@dataclass
class Source:
    """A document and where its parts stand; without a text (plain JSON) the places are paths only."""

    file: str
    document: Any = None
    text: str | None = None
    findings: Findings = field(default_factory=Findings)
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def problem(self, finding: Finding) -> Problem:
        line, column = self._place(finding)
        lines = self.text.splitlines() if self.text is not None else []
        return Problem(
            file=self.file,
            line=line,
            column=column,
            text=lines[line - 1] if 0 < line <= len(lines) else "",
            message=finding.message,
            fix=finding.fix,
            path=written(finding.path),
            severity=finding.severity,
        )

    def _place(self, finding: Finding) -> tuple[int, int]:
        if self.text is None:
            return 0, 0
        mark = self._mark(finding)
        if not finding.snippet:
            return mark.line + 1, mark.column + 1
        # Quotes, folding and block styles move texts about: look for the snippet where it would be, then anywhere.
        inside = self.text[mark.start : mark.end]
        found = inside.find(finding.snippet, min(finding.offset, len(inside)))
        found = found if found >= 0 else max(0, inside.find(finding.snippet))
        at = mark.start + found
        return self.text.count("\n", 0, at) + 1, at - (self.text.rfind("\n", 0, at) + 1) + 1

    def _mark(self, finding: Finding) -> Mark:
        """The nearest thing that has a place: the word, its value, or what is around it."""
        path = finding.path
        tables = (self.keys, self.values) if finding.on_key else (self.values, self.keys)
        while True:
            for candidate in (path, _short(path)):
                found = [table[candidate] for table in tables if candidate in table]
                if found:
                    # What begins below its word, or is not there at all, is best shown at the word.
                    return found[0] if found[0].line == found[-1].line or finding.snippet else self.keys[candidate]
            if not path:
                return Mark(0, 0, 0, 0)
            path = path[:-1]
            tables = (self.keys, self.values)


def _short(path: Path) -> Path:
    """The same place when `parallel` is written in its short form, a list."""
    return tuple(step for at, step in enumerate(path) if not (step == "tasks" and at and path[at - 1] == "parallel"))


def from_yaml(text: str, file: str) -> Source:
    source = Source(file, text=text)
    if len(text) > LARGEST:
        source.text = text[:1000]
        source.findings.add((), f"the file is larger than {LARGEST:,} characters", "split it into child flows")
        return source
    try:
        nodes = list(_loader().compose_all(text))
    except MarkedYAMLError as error:
        _not_yaml(source, error)
        return source
    except ReaderError as error:
        source.values[("<yaml>",)] = _mark_at(text, error.position)
        message = f"the character #x{ord(text[error.position]):04x} cannot be in a file"
        source.findings.add(("<yaml>",), message, "take it out, or write it as an escape in double quotes")
        return source
    except Exception as error:  # noqa: BLE001 - asserts, looks up and recurses on odd texts; whatever it is, it is told
        source.findings.add((), f"this is not YAML: {_first_line(error)}", _fix_for(_first_line(error)))
        return source
    if len(nodes) > 1:
        _stand(source, ("---",), nodes[1])
        source.findings.add(("---",), "a second document begins here", "put each flow into a file of its own")
    if nodes and nodes[0] is not None:
        reader = _Reader(source)
        source.document = reader.value(nodes[0], ())
        source.document = None if reader.too_much else source.document
    return source


def compose(text: str) -> Node | None:
    """The nodes of a text that is known to be YAML."""
    return next(iter(_loader().compose_all(text)), None)


def _loader() -> Any:
    loader = YAML(typ="safe", pure=True)
    loader.allow_duplicate_keys = True  # reported by us, with their place
    return loader


def _mark_at(text: str, at: int) -> Mark:
    return Mark(text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1), at, at)


def _not_yaml(source: Source, error: MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    said = str(error.problem or error.context or "it cannot be read")
    if mark is not None:
        source.values[("<yaml>",)] = Mark(mark.line, mark.column, mark.index, mark.index)
        lines = (source.text or "").splitlines()
        if mark.line < len(lines) and "\t" in lines[mark.line]:
            said = "found character '\\t' that cannot start any token"
    fix = _fix_for(said)
    if mark is not None and _in_bare_expression(source.text or "", mark.index):
        fix = "put the expression in quotes: '${{ … }}'"
    source.findings.add(("<yaml>",), f"this is not YAML: {_in_words(said)}", fix)


def _in_bare_expression(text: str, at: int) -> bool:
    """Whether the place is inside a `${{ }}` without quotes, which YAML reads as its own."""
    line = text[text.rfind("\n", 0, at) + 1 : at + 1]
    opened = line.rfind("${{")
    return opened >= 0 and "}}" not in line[opened:] and line[:opened].rstrip()[-1:] not in {"'", '"'}


_SAID = {
    "found character '\\t' that cannot start any token": "a tab",
    "mapping values are not allowed here": "a `:` where none can stand",
    "could not find expected ':'": "a word without `:`",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "found unknown escape character": "a backslash sequence that does not exist",
    "expected escape sequence": "a backslash sequence that does not exist",
    "expected a digit or '.'": "a line that begins with % and is no directive",
    "expected <block end>, but found": "this line does not line up with the ones before it",
    "expected ',' or '}'": "a `{` that is not closed, or a missing comma",
    "expected ',' or ']'": "a `[` that is not closed, or a missing comma",
    "found undefined alias": "an alias (`*name`) without an anchor (`&name`)",
    "found duplicate anchor": "an anchor that exists already",
    "cannot start any token": "a character that cannot begin a value here",
}
_FIXES = {
    "\\t": "indent with spaces",
    "mapping values": 'put the text in quotes, as in name: "a: b", or check the indentation',
    "could not find expected ':'": "write `word: value`",
    "end of stream": "close the quote",
    "escape": "write \\\\ for a backslash, or use single quotes",
    "block end": "indent it like its siblings",
    "expected ',' or": "close the bracket and put commas between the entries",
    "alias": "define the anchor before it, or write the value out",
    "anchor": "give each anchor its own name",
    "cannot start any token": "put the text in quotes",
}


def _in_words(said: str) -> str:
    return next((words for sign, words in _SAID.items() if sign in said), said.replace("\n", " "))


def _fix_for(said: str) -> str:
    return next((fix for sign, fix in _FIXES.items() if sign in said), "check quotes, colons and indentation here")


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error).splitlines() or ["it cannot be read"])[0]


def _stand(source: Source, path: Path, node: Any) -> None:
    start, end = node.start_mark, node.end_mark
    source.values[path] = Mark(start.line, start.column, start.index, end.index)


class _Reader:
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
        _stand(self.source, path, node)
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
        _stand(self.source, here, node)
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
