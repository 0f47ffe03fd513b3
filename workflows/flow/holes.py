"""Checks one text with expressions: that it is CEL, what it refers to, what it calls, which type it gives."""

import re
from typing import Any, NamedTuple

from .expressions import ExpressionFailed, evaluate_expression
from .functions import KNOWN, instead_of
from .problem import Findings, Path
from .programs import program
from .reasons import first_line
from .references import Reference, analyse
from .templates import Hole, Template, template
from .tokens import Kind, deepest, tokens
from .values import kind_of

LONGEST = 4_000
DEEPEST = 40
DEEPEST_MACROS = 4

_SCALARS = {"boolean": bool, "array": list}
_WANTED = {"boolean": "true or false", "array": "a list"}


class Checked(NamedTuple):
    hole: Hole
    references: tuple[Reference, ...]
    constant: Any = None
    """The value, when nothing is referred to; None otherwise."""


def check_text(text: str, path: Path, findings: Findings) -> list[Checked]:
    """The expressions of a text that can be checked further."""
    read = template(text)
    if read.unclosed is not None:
        said = ("`${{` is never closed", "close it with `}}`; for a literal `${{` write `$${{`")
        if "}}" in text[read.unclosed :]:
            said = ("a quote or a bracket inside `${{ }}` is not closed", "close it before the `}}`")
        findings.add(path, *said, snippet="${{", offset=read.unclosed)
    return [checked for hole in read.holes if (checked := _check_hole(hole, path, findings)) is not None]


def _check_hole(hole: Hole, path: Path, findings: Findings) -> Checked | None:
    source = hole.source
    said = _too_much(source)
    if said is None and not source.strip():
        said = ("the expression is empty", "write one, as in ${{ inputs.name }}")
    if said is not None:
        findings.add(path, *said, snippet="${{", offset=hole.start - 3)
        return None
    try:
        program(source.strip())
    except ValueError as error:
        _not_cel(hole, error, path, findings)
        return None
    analysis = analyse(source)
    unknown = [call for call in analysis.calls if call.name not in KNOWN]
    for call in unknown:
        findings.add(
            path,
            f"there is no function `{call.name}`",
            instead_of(call.name),
            snippet=call.name,
            offset=hole.start + call.start,
        )
    if analysis.references or unknown:
        return Checked(hole, analysis.references)
    return _constant(hole, path, findings)


def _constant(hole: Hole, path: Path, findings: Findings) -> Checked | None:
    try:
        return Checked(hole, (), evaluate_expression(hole.source, {}))
    except ExpressionFailed as failed:
        message = f"the expression can have no value: {failed.reason.rstrip('.')}"
        findings.add(path, message, "mend the expression", snippet=hole.source.strip(), offset=hole.start)
        return None


def _too_much(source: str) -> tuple[str, str] | None:
    """Limits that keep an expression from costing more than its run is worth, or the process its life."""
    if len(source) > LONGEST:
        return f"the expression is longer than {LONGEST:,} characters", "move the computation into a tool or an agent"
    if deepest(tokens(source)) > DEEPEST:
        return f"the expression has brackets nested deeper than {DEEPEST}", "split it, using `env` or further tasks"
    if analyse(source).macros > DEEPEST_MACROS:
        return f"more than {DEEPEST_MACROS} of `map`, `filter` and the like inside each other", "use a `loop`"
    return None


_PLACE = re.compile(r"<input>:(\d+):(\d+)")


def _not_cel(hole: Hole, error: ValueError, path: Path, findings: Findings) -> None:
    said = _hint(hole.source)
    message = said[0] if said else f"this is not CEL: {_plainly(first_line(error))}"
    source = hole.source.strip()
    lead = len(hole.source) - len(hole.source.lstrip())
    place = _PLACE.search(str(error))
    at = _offset(source, int(place[1]), int(place[2])) if place else 0
    snippet = said[2] if said else (source[at : at + 12].split("\n")[0] or source[-1:])
    fix = said[1] if said else "write a CEL expression, as in ${{ inputs.limit > 3 }}"
    offset = hole.start + lead + min(at, len(source) - 1)
    findings.add(path, message, fix, snippet=snippet, offset=hole.start if said else offset)


def _offset(source: str, line: int, column: int) -> int:
    lines = source.split("\n")
    return sum(len(before) + 1 for before in lines[: line - 1]) + column - 1


def _plainly(said: str) -> str:
    said = said.removeprefix("Syntax error: ").partition(" expecting {")[0].partition(" expecting ")[0]
    said = said.replace("mismatched input '<EOF>'", "it ends too early").replace("extraneous input", "too much:")
    said = said.replace("mismatched input", "unexpected").replace("token recognition error at:", "unexpected")
    said = said.replace("no viable alternative at input", "unexpected").replace("<EOF>", "the end")
    return "it ends too early" if "Incomplete" in said else said


_HABITS = {
    "and": ("`and` is no operator", "write `&&`"),
    "or": ("`or` is no operator", "write `||`"),
    "not": ("`not` is no operator", "write `!`"),
    "===": ("`===` is no operator", "write `==`"),
    "!==": ("`!==` is no operator", "write `!=`"),
    "**": ("`**` is no operator", "multiply, or use a tool"),
    "//": ("`//` begins a comment", "write `/`: integers divide to integers"),
    "if": ("`if` is no operator", "write `condition ? this : that`"),
    "lambda": ("there are no functions to define", "use `list.map(x, …)`"),
    "?.": ("`?.` is not part of CEL here", "write `has(a.b) ? a.b : …`"),
    "??": ("`??` is no operator", "write `has(a.b) ? a.b : …`"),
    "=": ("`=` is no operator", "write `==`"),
    "|": ("there are no filters", "call a function, as in `inputs.name.upperAscii()`"),
    "`": ("backquotes have no meaning", "write texts in ' or \""),
    "$": ("`$` has no meaning inside an expression", "write the name alone, as in `inputs.name`"),
    ";": ("`;` has no meaning", "write one expression"),
    "{{": ("`{{` has no meaning inside an expression", "write the name alone, as in `inputs.name`"),
}


def _hint(source: str) -> tuple[str, str, str] | None:
    """What somebody had in mind who wrote what CEL does not know."""
    words = tokens(source)
    texts = [word.text for word in words if word.kind is not Kind.TEXT]
    joined = " ".join(texts)
    for sign in ("= = =", "== =", "!= =", "* *", "? .", "? ?", "{ {"):
        if sign in joined:
            habit = {"== =": "===", "!= =": "!=="}.get(sign, sign.replace(" ", ""))
            return (*_HABITS[habit], habit)
    found = next((text for text in texts if text in _HABITS and len(text) <= 6), None)
    if found is not None:
        return (*_HABITS[found], found)
    opened, closed = (sum(text in signs for text in texts) for signs in ("([{", ")]}"))
    if opened != closed:
        missing = "closed" if opened > closed else "opened"
        return f"a bracket is not {missing}", "count the brackets", source.strip()[-1:]
    if any(text in {"'", '"'} for text in texts):
        return "a text is not closed", "close the quote", "'" if "'" in texts else '"'
    return None


def must_be_one(text: Any, word: str, path: Path, findings: Findings) -> bool:
    """Whether the value is one expression, as `if` needs it; otherwise reports it with the fix written out."""
    read = template(text)
    if read.whole is not None or read.unclosed is not None:
        return True
    findings.add(path, f"`{word}` must be one expression", f"write {word}: ${{{{ {_joined(read)} }}}}")
    return False


def _joined(read: Template) -> str:
    return "".join(part.source.strip() if isinstance(part, Hole) else part for part in read.parts).strip() or "true"


def check_constant(checked: Checked, wants: str | None, word: str, path: Path, findings: Findings) -> None:
    if wants in _SCALARS and not checked.references and not isinstance(checked.constant, _SCALARS[wants]):
        message = f"`{word}` must be {_WANTED[wants]}, and this is {kind_of(checked.constant)}"
        fix = "compare it with something, as in ${{ inputs.limit > 3 }}" if wants == "boolean" else "write a list"
        findings.add(path, message, fix, snippet=checked.hole.source.strip(), offset=checked.hole.start)
