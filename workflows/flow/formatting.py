"""Formats a flow file: words in one order, two spaces for each level, comments and texts as they were.

Lines are moved and shifted, never written anew, so that quotes, block texts and comments survive. A comment belongs to
the word below it, or, when it is indented deeper than that word, to what is above it.
"""

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from .problem import Path
from .words import in_order, model_at
from .yaml_text import compose, from_yaml


def formatted(text: str, file: str) -> str:
    """The text formatted; as it was when it is no YAML, or when moving its lines would change what it says."""
    source = from_yaml(text, file)
    if source.findings or not isinstance(source.document, dict):
        return text
    written = _written(text, source.document)
    return written if from_yaml(written, file).document == source.document else text


def _written(text: str, document: dict[str, Any]) -> str:
    node = compose(text)
    if not isinstance(node, MappingNode) or node.flow_style or node.start_mark.column:
        return text
    lines = text.splitlines()
    first = node.start_mark.line
    writer = _Writer(lines, document)
    end = _last_line(node) + 1
    kept = writer.deeper(end, len(lines), 0, 0)
    tail = [*kept, *writer.lead(end + len(kept), len(lines), 0)]
    body = [*_squeezed(lines[:first]), *writer.mapping(node, (), 0, first), *tail]
    while body and not body[-1].strip():
        body.pop()
    return "\n".join(body) + "\n"


@dataclass
class _Entry:
    """One word of a mapping, or one item of a list, with the comments above it."""

    lead: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    word: str = ""


class _Writer:
    def __init__(self, lines: list[str], document: Any) -> None:
        self.lines = lines
        self.document = document

    def mapping(self, node: MappingNode, path: Path, column: int, above: int) -> list[str]:
        """The lines of a mapping at a column; `above` is the first line that belongs to it."""
        entries: list[_Entry] = []
        for key, value in node.value:
            start = key.start_mark.line
            if entries:
                kept = self.deeper(above, start, key.start_mark.column, column)
                entries[-1].lines += kept
                above += len(kept)
            entry = _Entry(self.lead(above, start, column), word=str(key.value))
            entry.lines = self._entry(key, value, (*path, str(key.value)), column)
            entries.append(entry)
            above = _last_line(value if value.end_mark.index > key.end_mark.index else key) + 1
        return [line for entry in self._sorted(entries, path) for line in (*entry.lead, *entry.lines)]

    def deeper(self, above: int, start: int, old: int, column: int) -> list[str]:
        """The comments that are indented deeper than what follows; they stay with what is above."""
        end = above
        while end < start and (not self.lines[end].strip() or _indent(self.lines[end]) > old):
            end += 1
        while end > above and not self.lines[end - 1].strip():
            end -= 1
        return [
            " " * (_indent(line) - old + column) + line.strip() if line.strip() else ""
            for line in self.lines[above:end]
        ]

    def lead(self, start: int, end: int, column: int) -> list[str]:
        """The comments and blank lines before something, at its column."""
        shifted = [" " * column + line.strip() if line.strip() else "" for line in self.lines[start:end]]
        return _squeezed(shifted)

    def _sorted(self, entries: list[_Entry], path: Path) -> list[_Entry]:
        model = model_at(path, self.document)
        if model is None:
            return entries
        order = {word: place for place, word in enumerate(in_order(model))}
        ordered = sorted(entries, key=lambda entry: order.get(entry.word, len(order)))
        if ordered and ordered != entries:
            # A blank line separates; it is not part of what it happens to stand above.
            while ordered[0].lead and not ordered[0].lead[0]:
                ordered[0].lead.pop(0)
        return ordered

    def _entry(self, key: Node, value: Node, path: Path, column: int) -> list[str]:
        if not self._is_block(value, key.start_mark.line):
            return self._verbatim(key.start_mark.line, _last_line(value), key.start_mark.column, column)
        head = " " * column + self.lines[key.start_mark.line][key.start_mark.column :].rstrip()
        above = key.start_mark.line + 1
        if isinstance(value, MappingNode):
            return [head, *self.mapping(value, path, column + 2, above)]
        assert isinstance(value, SequenceNode)
        return [head, *self._sequence(value, path, column + 2, above)]

    def _is_block(self, value: Node, line: int) -> bool:
        """Whether the value is written below its word, so that it can be taken apart."""
        return isinstance(value, CollectionNode) and not value.flow_style and value.start_mark.line > line

    def _sequence(self, node: SequenceNode, path: Path, column: int, above: int) -> list[str]:
        written: list[str] = []
        for index, item in enumerate(node.value):
            start = item.start_mark.line
            dash = self.lines[start].find("-")
            kept = self.deeper(above, start, dash, column) if index else []
            written += kept + self.lead(above + len(kept), start, column)
            written += self._item(item, (*path, index), column, dash)
            above = _last_line(item) + 1
        return written

    def _item(self, item: Node, path: Path, column: int, dash: int) -> list[str]:
        start = item.start_mark.line
        direct = self.lines[start][dash + 1 : item.start_mark.column].strip() == "" and dash >= 0
        if isinstance(item, MappingNode) and not item.flow_style and direct:
            first, *rest = self.mapping(item, path, column + 2, start)
            comments = []
            while not first.strip() or first.lstrip().startswith("#"):
                comments += [" " * column + first.strip()] if first.strip() else []
                first, *rest = rest
            return [*comments, " " * column + "- " + first[column + 2 :], *rest]
        return self._verbatim(start, _last_line(item), max(dash, 0), column)

    def _verbatim(self, start: int, end: int, old: int, column: int) -> list[str]:
        """Lines as they are, moved from one column to another."""
        first = " " * column + self.lines[start][old:].rstrip()
        rest = []
        for line in self.lines[start + 1 : end + 1]:
            kept = _indent(line)
            rest.append(" " * max(0, kept + column - old) + line[kept:] if line.strip() else "")
        return [first, *rest]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _last_line(node: Node) -> int:
    """The last line with something of the node; the mark of a block ends where the next thing begins."""
    if not isinstance(node, CollectionNode):
        end = node.end_mark
        block = isinstance(node, ScalarNode) and node.style in {"|", ">"}
        return int(end.line - 1 if block and end.column == 0 and end.line > node.start_mark.line else end.line)
    if node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    if isinstance(node, MappingNode):
        key, value = last
        return max(_last_line(key), _last_line(value)) if value.end_mark.index > key.end_mark.index else _last_line(key)
    return _last_line(last)


def _squeezed(lines: list[str]) -> list[str]:
    """Without a second blank line in a row."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1].strip()) or not kept:
            kept.append(line.rstrip())
    return kept
