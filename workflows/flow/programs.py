"""Expressions compiled: what the CEL library runs, and what we run around it.

Some things are not left to the library:
- The macros (`map`, `filter`, `all`, `exists`, `exists_one`). Its `map` is quadratic (10,000 items took 2 seconds,
  after which Temporal declares a workflow dead), and over a map it walks in random order, which a replay would not
  repeat. Here a macro becomes a call back into Python that evaluates its body once for each item; the steps are
  counted, so that no expression can run for ever.
- A bare path, `tasks.hello.output.text`, is looked up in Python: faster, and big integers and
  the order of keys survive.
- `loop` is a word that CEL reserves; it is given to the library as `l_op`, as long, so that positions stay.
- Only what an expression refers to is given to the library, which copies all that it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from ...activities.expression_engine import cel
from .functions import EXTENSIONS
from .macros import ITEMS_A_STEP, MACROS, Fuel, size_of
from .references import Macro, Reference, analyse, macro_at
from .tokens import Token, tokens

LOOP, SPELLED = "loop", "l_op"
_WALKING = frozenset({"+", "in", "==", "!="})
PREFIX = "each__"  # of the functions that stand for macros

Scope = Mapping[str, Any]
Path = tuple[str | int, ...]


class Each(NamedTuple):
    """A macro of an expression: its bodies, and the variables that macros around it bind."""

    function: str
    name: str
    variable: str
    outer: tuple[str, ...]
    bodies: tuple["Program", ...]


class Program(NamedTuple):
    source: str
    references: tuple[Reference, ...]
    bare: Reference | None
    """The expression is this path and nothing else."""
    needed: tuple[Path, ...]
    """The shortest paths that cover the references; only these are given to the library."""
    walked: tuple[Reference, ...]
    """Those that an operator goes through whole: `x in list`, `list + list`, `a == b`."""
    compiled: cel.Program
    functions: tuple[str, ...]
    macros: tuple[Each, ...]


@lru_cache(maxsize=16_384)
def program(source: str, bound: tuple[str, ...] = ()) -> Program:
    """Raises ValueError in the library's words when the source is no CEL."""
    source = _spelled(source)
    cel.compile(source)  # its positions are those of the source; the rewritten one below has others
    words = tokens(source)
    analysis = analyse(source)
    found = tuple(
        reference._replace(root=LOOP) if reference.root == SPELLED else reference
        for reference in analysis.references
        if reference.root not in bound
    )
    rewritten, macros = _rewrite(source, words, bound)
    return Program(
        source=source,
        references=found,
        bare=_bare(found, words),
        needed=_needed(rewritten, bound),
        walked=_walked(found, words),
        compiled=cel.compile(rewritten),
        functions=tuple(sorted({call.name for call in analysis.calls} & EXTENSIONS.keys())),
        macros=macros,
    )


def _spelled(source: str) -> str:
    if LOOP not in source:
        return source
    written = source
    words = tokens(source)
    for index, word in enumerate(words):
        if word.text == LOOP and (index == 0 or words[index - 1].text != "."):
            written = written[: word.start] + SPELLED + written[word.end :]
    return written


def _bare(found: tuple[Reference, ...], words: tuple[Token, ...]) -> Reference | None:
    match found:
        case [reference] if reference.start == words[0].start and reference.end == words[-1].end:
            return reference
    return None


def _walked(found: tuple[Reference, ...], words: tuple[Token, ...]) -> tuple[Reference, ...]:
    before = {after.start for word, after in pairwise(words) if word.text in _WALKING}
    behind = {word.end for word, after in pairwise(words) if after.text in _WALKING}
    return tuple(one for one in found if not one.computed and (one.start in before or one.end in behind))


def _needed(rewritten: str, bound: tuple[str, ...]) -> tuple[Path, ...]:
    """What stands in the bodies of macros is given to these, not here."""
    paths = {(reference.root, *reference.path) for reference in analyse(rewritten).references}
    return _shortest({(LOOP, *path[1:]) if path[0] == SPELLED else path for path in paths if path[0] not in bound})


def _shortest(paths: set[Path]) -> tuple[Path, ...]:
    # A number ends a path: half a list cannot be given.
    cut = {path[: next((i for i, step in enumerate(path) if isinstance(step, int)), len(path))] for path in paths}
    return tuple(sorted(path for path in cut if not any(path[:length] in cut for length in range(1, len(path)))))


def _rewrite(source: str, words: tuple[Token, ...], bound: tuple[str, ...]) -> tuple[str, tuple[Each, ...]]:
    """Replaces each outermost macro, `.map(x, x + 1)`, by a call, `.each__0_0()`, given what is bound around it."""
    macros: list[Each] = []
    written, at, index = "", 0, 0
    while index < len(words):
        macro = macro_at(words, index) if words[index].text == "." else None
        if macro is None:
            index += 1
            continue
        each = Each(
            f"{PREFIX}{len(bound)}_{len(macros)}",
            macro.name,
            macro.variable,
            bound,
            tuple(program(body, (*bound, macro.variable)) for body in _bodies(source, words, macro)),
        )
        macros.append(each)
        written += f"{source[at : words[index].start]}.{each.function}({', '.join(dict.fromkeys(bound))})"
        at, index = words[macro.closing].end, macro.closing + 1
    return written + source[at:], tuple(macros)


def _bodies(source: str, words: tuple[Token, ...], macro: Macro) -> list[str]:
    """The arguments behind the variable, split at the commas that stand in no inner bracket."""
    bodies, depth, start = [], 0, words[macro.opening + 2].end
    for word in words[macro.opening + 3 : macro.closing]:
        depth += (word.text in {"(", "[", "{"}) - (word.text in {")", "]", "}"})
        if depth == 0 and word.text == ",":
            bodies.append(source[start : word.start])
            start = word.end
    return [*bodies, source[start : words[macro.closing].start]]


def run(ready: Program, scope: Scope, bound: Mapping[str, Any], fuel: Fuel) -> Any:
    context = context_of(ready, scope, bound, fuel)
    fuel.burn(walk_of(ready, scope))
    return ready.compiled.execute(context)


def context_of(ready: Program, scope: Scope, bound: Mapping[str, Any], fuel: Fuel) -> cel.Context:
    variables = {**narrowed(scope, ready.needed), **bound}
    fuel.burn_for(variables)
    functions = {name: _metered(EXTENSIONS[name], fuel) for name in ready.functions}
    for macro in ready.macros:
        functions[macro.function] = _callback(macro, scope, fuel)
    return cel.Context(variables, functions)


def walk_of(ready: Program, scope: Scope) -> int:
    """What the operators cost each time: a sum of n lists copies the first one n times."""
    found = [_value_of(reference, scope) for reference in ready.walked]
    return sum(map(size_of, found)) * len(found) // (2 * ITEMS_A_STEP)


def _value_of(reference: Reference, scope: Scope) -> Any:
    """Nothing where it leads nowhere; that is told when it is evaluated."""
    value: Any = scope
    for step in (reference.root, *reference.path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _metered(function: Callable[..., Any], fuel: Fuel) -> Callable[..., Any]:
    def metered(*arguments: Any) -> Any:
        fuel.burn_for(arguments)
        result = function(*arguments)
        fuel.burn_for(result)
        return result

    return metered


def narrowed(scope: Scope, paths: tuple[Path, ...]) -> dict[str, Any]:
    """The part of the scope that the paths lead through, as the library is given it."""
    part: dict[str, Any] = {}
    for path in paths:
        whole: Any = scope
        place = part
        for step in path[:-1]:
            if not isinstance(whole, Mapping) or step not in whole:
                break
            whole = whole[step]
            if not isinstance(whole, Mapping):
                place[str(step)] = whole  # the library says what is wrong with the next step
                break
            place = place.setdefault(str(step), {})
        else:
            if isinstance(whole, Mapping) and path[-1] in whole:
                place[str(path[-1])] = whole[path[-1]]
    if LOOP in part:
        part[SPELLED] = part.pop(LOOP)
    return part


def _callback(macro: Each, scope: Scope, fuel: Fuel) -> Callable[..., Any]:
    def each(items: Any, *outer: Any) -> Any:
        if isinstance(items, Mapping):
            items = sorted(items, key=str)
        if not isinstance(items, Sequence) or isinstance(items, str | bytes):
            raise TypeError(f"`{macro.name}` goes through a list or a map")
        fuel.burn(len(items))
        bound = dict(zip(dict.fromkeys(macro.outer), outer, strict=True))
        contexts = [context_of(body, scope, bound, fuel) for body in macro.bodies]
        costs = [walk_of(body, scope) for body in macro.bodies]

        def body(index: int, item: Any) -> Any:
            fuel.burn(costs[index])
            contexts[index].add_variable(macro.variable, item)
            return macro.bodies[index].compiled.execute(contexts[index])

        return MACROS[macro.name](items, body, fuel, len(macro.bodies))

    def told(items: Any, *outer: Any) -> Any:
        try:
            return each(items, *outer)
        except Exception as error:
            if not str(error).startswith(f"Function '{PREFIX}"):  # an inner macro has told already
                fuel.failure = error
            raise

    return told
