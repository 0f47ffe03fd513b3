"""The functions that expressions may call: all pure, so that a run that is replayed computes the same again.

The core ones are the library's own; the others are its Python extensions. None reads a clock, a random number or
the machine. Maps come out of the library in random order, so what walks over one goes through `keys`.
"""

from difflib import get_close_matches

from .bounded import FUNCTIONS

CORE = frozenset({"all", "bytes", "contains", "double", "duration", "dyn", "endsWith", "exists", "exists_one"})
CORE |= {"filter", "has", "int", "map", "matches", "size", "startsWith", "string", "timestamp", "type", "uint"}
CORE |= {"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds"}
CORE |= {"getMinutes", "getMonth", "getSeconds"}
EXTENSIONS = FUNCTIONS
NAMESPACES = frozenset(name.partition(".")[0] for name in EXTENSIONS if "." in name)
KNOWN = CORE | EXTENSIONS.keys()

_ELSEWHERE = {
    "now": "`run.started_at`: an expression must give the same value when the run is replayed",
    "today": "`run.started_at`: an expression must give the same value when the run is replayed",
    "time": "`run.started_at`: an expression must give the same value when the run is replayed",
    "random": "a tool: an expression must give the same value when the run is replayed",
    "rand": "a tool: an expression must give the same value when the run is replayed",
    "uuid": "`run.id`: an expression must give the same value when the run is replayed",
    "len": "`size(…)`",
    "length": "`size(…)`",
    "str": "`string(…)`",
    "float": "`double(…)`",
    "lower": "`lowerAscii()`",
    "upper": "`upperAscii()`",
    "strip": "`trim()`",
    "fromJson": "the value itself: outputs are values already",
    "toJson": "`json(…)`",
    "format": "`${{ }}` inside a text",
    "any": "`list.exists(x, …)`",
    "success": '`tasks.<id>.status == "completed"`',
    "failure": '`tasks.<id>.status == "failed"`',
    "always": "`finally` of a `try`",
}


def instead_of(name: str) -> str:
    """What to write instead of a function that does not exist."""
    if name in _ELSEWHERE:
        return f"use {_ELSEWHERE[name]}"
    near = get_close_matches(name, KNOWN, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else "the functions are listed in the page on flows, under Expressions"
