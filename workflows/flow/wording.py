"""What pydantic finds wrong with the words of a document, told with the fix.

A location of pydantic names branches of unions too; these are taken out, so that it becomes a path in the document.
"""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .model import TASK_WORDS, Flow
from .problem import Finding, Findings, Path
from .terms import ID, NAME
from .values import as_text, kind_of
from .vocabulary import instead, nearest
from .words import fields, inside, model_at

_BRANCH = re.compile(r"\[|^(str|int|float|bool|constrained-|function-|literal|tuple|timedelta|dict|list)")
_WORDS: dict[str, str] = {}
for _word, _model in TASK_WORDS.items():
    for _name in fields(_model):
        _WORDS.setdefault(_name, _word)


def findings_of(error: ValidationError, document: Any, top: type[BaseModel] = Flow) -> Findings:
    """One finding for each place, in pydantic's order. `top` is what the document is to be."""
    found: dict[Path, Finding] = {}
    for detail in error.errors(include_url=False):
        path, on_key = _path(detail["loc"], document)
        finding = _finding(detail, path, document, top, on_key=on_key)
        path = finding.path if detail["type"] == "missing" and finding.on_key else path
        # A later branch of a union that fits better says more than the first.
        if path not in found or _says_more(detail, found[path]):
            found[path] = finding
    return Findings(found.values())


def _says_more(detail: ErrorDetails, before: Finding) -> bool:
    return detail["type"] in {"value_error", "literal_error", "greater_than_equal"} and "one of" not in before.message


def _path(location: tuple[str | int, ...], document: Any) -> tuple[Path, bool]:
    path: list[str | int] = []
    here, task_next = document, False
    for step in location:
        if step == "[key]":
            return tuple(path), True
        if task_next and step in TASK_WORDS:
            task_next = False
            continue
        task_next = isinstance(step, int)
        known, here = _step(here, step)
        if known or not (isinstance(step, str) and _BRANCH.search(step)):
            path.append(step)
    return tuple(path), False


def _step(here: Any, step: str | int) -> tuple[bool, Any]:
    """Whether the step leads on from here, and where to."""
    match here:
        case dict() if step in here:
            return True, here[step]
        case list() if isinstance(step, int) and step < len(here):
            return True, here[step]
        case list() if step == "tasks":
            return True, here  # the short form of `parallel`
    return False, here


def _finding(detail: ErrorDetails, path: Path, document: Any, top: type[BaseModel], *, on_key: bool) -> Finding:
    word = next((str(step) for step in reversed(path) if isinstance(step, str)), "the file")
    value = detail["input"]
    if on_key:
        return Finding(
            path, f"`{word}` is no name: letters, digits and _ only", f"write `{_slug(word, '_')}`", on_key=True
        )
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(path, document, top)
        case "missing":
            return _missing(path, document, top)
        case "string_pattern_mismatch":
            message, fix = _pattern(word, str(value), detail["ctx"]["pattern"])
        case "literal_error":
            message, fix = _literal(word, value, detail["ctx"]["expected"])
        case kind:
            message, fix = _told(kind, word, value, detail)
    quoted = as_text(value) if detail["type"] == "string_type" and isinstance(value, int | float) else ""
    return Finding(path, message, fix, quoted=quoted)


def _unknown(path: Path, document: Any, top: type[BaseModel]) -> Finding:
    word = str(path[-1])
    known = known_words(path[:-1], document, top)
    near = nearest(word, known)
    fix = instead(word, known) if top is Flow else f"did you mean `{near}`?" if near else None
    if fix is None and top is Flow and (other := _WORDS.get(word)) is not None:
        fix = f"`{word}` belongs to a task with `{other}`"
    owner = path[-2] if len(path) > 1 and isinstance(path[-2], str) else None
    where = f" in `{owner}`" if owner else " in a task" if len(path) > 1 else f" at the top of a {_kind_of(top)} file"
    return Finding(path, f"unknown word `{word}`{where}", fix or f"the words here are {', '.join(known)}", on_key=True)


def _kind_of(top: type[BaseModel]) -> str:
    """The first word of a file says what it is."""
    return next(iter(fields(top)))


def known_words(path: Path, document: Any, top: type[BaseModel] = Flow) -> list[str]:
    """The words that may stand in the mapping at a place."""
    model = model_at(path, document, top)
    return list(fields(model)) if model else []


def _missing(path: Path, document: Any, top: type[BaseModel]) -> Finding:
    word, place = str(path[-1]), path[:-1]
    field = fields(model_at(place, document, top) or top).get(word)
    says = field.description.splitlines()[0].rstrip(".") if field and field.description else ""
    message = f"`{word}` is missing ({says[0].lower()}{says[1:]})" if says else f"`{word}` is missing"
    given = list(_mapping_at(document, place) or {})
    near = nearest(word, [name for name in given if name not in known_words(place, document, top)])
    if near:  # one finding, not two: this one takes the place of the unknown word
        return Finding((*place, near), message, f"write `{word}` instead of `{near}`", on_key=True)
    return Finding(place, message, f"add `{word}:`")


def _mapping_at(here: Any, path: Path) -> Any:
    for step in path:
        here = inside(here, step)
    return here if isinstance(here, dict) else None


_PATTERNS = {
    NAME: ("a name: lower-case letters, digits and `-`, beginning with a letter", "-"),
    ID: ("an id: lower-case letters, digits and `_`, beginning with a letter", "_"),
}


def _pattern(word: str, value: str, pattern: str) -> tuple[str, str]:
    if pattern in _PATTERNS:
        rule, joint = _PATTERNS[pattern]
        return f"`{value[:60]}` is not {rule}", f"write `{_slug(value, joint)}`"
    if "${{" in value:
        return f"`{word}` cannot hold an expression", "write the name itself"
    return f"`{value[:60]}` is no name that `{word}` can have", f"write `{_slug(value, '_' if word == 'as' else '.')}`"


def _slug(text: str, joint: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", joint, text.lower()).strip(joint + "0123456789")
    return slug[:60] or f"a{joint}name"


def _literal(word: str, value: Any, expected: str) -> tuple[str, str]:
    choices = re.findall(r"'([^']*)'", expected)
    near = nearest(str(value), choices)
    also = {"wait": " or a number", "net": " or a list of hosts"}.get(word, "")
    message = f"`{word}` is one of {', '.join(choices)}{also}, not {_shown(value)}"
    return message, f"write `{near}`" if near else f"write `{word}: {choices[0]}`"


def _shown(value: Any) -> str:
    return f"`{value[:60]}`" if isinstance(value, str) else kind_of(value)


def _told(kind: str, word: str, value: Any, detail: ErrorDetails) -> tuple[str, str]:
    context = detail.get("ctx", {})
    if kind == "value_error":
        said = str(context["error"])
        message, _, fix = said.partition(": ")
        return f"`{word}`: {message.rstrip('.')}", fix.rstrip(".") or "write it shorter"
    if kind in _WRONG_TYPES:
        wanted, example = _WRONG_TYPES[kind]
        fix = _ONE_OF_A_KIND.get(word) or _example(word, value, example)
        owner = f"an entry of `{word}`" if isinstance(detail["loc"][-1], int) else f"`{word}`"
        return f"{owner} must be {_WANTED.get(word, wanted)}, not {kind_of(value)}", fix
    if kind == "union_tag_not_found":
        return f"a task must be a mapping, not {kind_of(value)}", "write `- ask: …` with the words of a task"
    if kind in _BOUNDS:
        bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
        message, fix = (text.format(word=word, **bounds) for text in _BOUNDS[kind])
        return message, fix
    return f"`{word}`: {detail['msg'].lower()}", f"look up `{word}` in the page on flows"


_WRONG_TYPES: dict[str, tuple[str, Callable[[str, Any], str]]] = {
    "string_type": ("a text", lambda word, value: f'write {word}: "{as_text(value)}"'),
    "int_type": ("a whole number", lambda word, value: f"write {word}: 3"),
    "int_from_float": ("a whole number", lambda word, value: f"write {word}: {round(value)}"),
    "int_parsing": ("a whole number", lambda word, value: f"write {word}: 3"),
    "float_type": ("a number", lambda word, value: f"write {word}: 1.5"),
    "float_parsing": ("a number", lambda word, value: f"write {word}: 1.5"),
    "bool_type": ("true or false", lambda word, value: f"write {word}: true"),
    "bool_parsing": ("true or false", lambda word, value: f"write {word}: true"),
    "dict_type": ("a mapping", lambda word, value: f"write {word}: {{word: value}}"),
    "model_type": ("a mapping", lambda word, value: f"write {word}: {{word: value}}"),
    "model_attributes_type": ("a mapping", lambda word, value: f"write {word}: {{word: value}}"),
    "tuple_type": ("a list", lambda word, value: f"write {word}: [{value if isinstance(value, str) else '…'}]"),
}


# For these, the type alone would mislead.
_WANTED = {"over": "a list or one expression", "if": "one expression", "while": "one expression"}
_WANTED |= {"until": "one expression", "switch": "one expression"}
_ONE_OF_A_KIND = {word: f"write {word}: ${{{{ … }}}}" for word in ("if", "while", "switch")}
_ONE_OF_A_KIND |= {"over": "write over: ${{ … }} or over: [1, 2]", "tasks": "begin each task with `- `"}


def _example(word: str, value: Any, example: Callable[[str, Any], str]) -> str:
    if isinstance(value, dict | list) or value is None:
        return f"write `{word}:` with a value of that kind, or leave it out" if value is None else example(word, "…")
    return example(word, value)


_BOUNDS = {
    "too_short": ("`{word}` is empty", "add an entry, or leave `{word}` out"),
    "too_long": ("`{word}` has more than {max_length} entries", "split it into child flows"),
    "string_too_short": ("`{word}` is empty", "write something, or leave `{word}` out"),
    "string_too_long": ("`{word}` is longer than {max_length} characters", "make it shorter"),
    "greater_than_equal": ("`{word}` must be at least {ge}", "write {word}: {ge}"),
    "greater_than": ("`{word}` must be more than {gt}", "write a number above {gt}"),
    "less_than_equal": ("`{word}` must be at most {le}", "write {word}: {le}"),
    "finite_number": ("`{word}` must be a finite number", "write a number"),
}
