"""Regular expressions for values from outside, by CEL's engine: its time grows with the text and never explodes."""

from ...activities.expression_engine import cel

_MATCHES = cel.compile("text.matches(pattern)")


def is_pattern(pattern: str) -> bool:
    try:
        fits("", pattern)
    except ValueError:
        return False
    return True


def fits(text: str, pattern: str) -> bool:
    """Whether the pattern is found anywhere in the text; raises ValueError for what is no pattern."""
    try:
        return _MATCHES.execute(cel.Context({"text": text, "pattern": pattern})) is True
    except RuntimeError as error:
        raise ValueError(f"{pattern!r} is no regular expression here: {error}") from None
