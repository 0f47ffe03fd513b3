"""From YAML text to a document with places; what is no YAML is told in plainer words than the parser's."""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError

from .source import Mark, Source
from .yaml_values import Reader, stand

LARGEST = 1_000_000
_MERGE = re.compile(r"^(<<<<<<<|=======|>>>>>>>)", re.MULTILINE)


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
        stand(source, ("---",), nodes[1])
        source.findings.add(("---",), "a second document begins here", "put each flow into a file of its own")
    if nodes and nodes[0] is not None:
        reader = Reader(source)
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
    if (merge := _MERGE.search(source.text or "")) is not None:
        source.values[("<yaml>",)] = _mark_at(source.text or "", merge.start())
        source.findings.add(("<yaml>",), "a merge was not finished here", "keep one of the versions, and no marks")
        return
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
    "expected '<document start>'": "this does not belong to what stands above it",
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
    "document start": "look at the lines above: quotes, indentation, leftovers of a merge",
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
