"""Differences of texts. The algorithm is cubic for texts made for that, so it is bounded."""

import difflib


def similarity(a: str, b: str, by: str) -> float:
    split = {"characters": list, "words": str.split, "lines": str.splitlines}[by]
    return round(difflib.SequenceMatcher(None, split(a), split(b), autojunk=False).ratio(), 6)  # type: ignore[operator]


def unified(a: str, b: str, a_name: str, b_name: str, context: int) -> dict[str, object]:
    """A diff that `patch` takes, too: it says where a last line has no end."""
    lines = list(difflib.unified_diff(split_lines(a), split_lines(b), a_name, b_name, n=context))
    body = lines[2:]
    written = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return {
        "diff": written,
        "added": sum(line.startswith("+") for line in body),
        "removed": sum(line.startswith("-") for line in body),
    }


def split_lines(text: str) -> list[str]:
    """Only where a line feed is: other ends of lines are part of the line, as for `diff` and `patch`."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
