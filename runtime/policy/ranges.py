"""Which tools a grant speaks of, as in `http.*@>=1,<3`: a pattern of names and what its versions must fulfil."""

import re
from typing import Any

from ...actors.errors import Rejected

_NAME = re.compile(r"[a-z*][a-z0-9_.*-]*")
_CLAUSE = re.compile(r"(?P<op>>=|<=|==|<|>)?\s*(?P<version>\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?)")


def tool_pattern(text: str) -> dict[str, Any]:
    """`x@1.2` is any 1.2, `x@1.2.0` that one, as where a tool is called."""
    name, _, wanted = text.partition("@")
    if not _NAME.fullmatch(name):
        raise Rejected(f"{text!r} names no tool: write it as in http.get, http.* or http.get@>=1,<3.")
    clauses = [clause for part in wanted.split(",") if part.strip() for clause in _clauses(part.strip(), text)]
    return {"name": name, "range": [{"op": op, "version": version} for op, version in clauses]}


def _clauses(part: str, text: str) -> list[tuple[str, str]]:
    found = _CLAUSE.fullmatch(part)
    if found is None:
        raise Rejected(f"{text!r} names no range of versions: write it as in http.get@1.2 or http.get@>=1,<3.")
    op, numbers = found["op"], found["version"].split("-")[0].split(".")
    full = found["version"] if len(numbers) == 3 else ".".join([*numbers, "0", "0"][:3])
    if op is None and len(numbers) < 3:
        above = [*numbers[:-1], str(int(numbers[-1]) + 1), "0", "0"][:3]
        return [(">=", full), ("<", ".".join(above))]
    return [(op or "==", full)]
