"""What others wrote, as a terminal may have it, and the commands in it as they work here."""

import sys

from ..plain import plain, plain_text
from .hints import as_given

__all__ = ["for_stdout", "plain", "plain_text", "sentence"]


def sentence(text: str) -> str:
    """What a run, a tool or policy says: plain, and the commands in it as they work here."""
    return as_given(plain_text(text))


def for_stdout(text: str) -> str:
    """A result is as it is where it goes into a file or a pipe, and plain on a terminal."""
    return plain_text(text) if sys.stdout.isatty() else text
