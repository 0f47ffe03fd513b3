"""What others wrote, as a terminal may have it: nothing in it moves the cursor, changes what is shown, or hides.

Tools, sandboxes, models and servers write what is shown here, and none of them is trusted with a terminal.
"""

import re
import sys

from .hints import as_given

HIDDEN = "\ufffd"

# Controls, of which escape sequences are made; what turns the direction of writing; separators of lines that are no
# newline; halves of characters, which no terminal takes.
_UNFIT = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(line: str) -> str:
    return _UNFIT.sub(HIDDEN, line.rstrip("\r"))


def plain_text(text: str) -> str:
    """Of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def sentence(text: str) -> str:
    """What a run, a tool or policy says: plain, and the commands in it as they work here."""
    return as_given(plain_text(text))


def for_stdout(text: str) -> str:
    """A result is as it is where it goes into a file or a pipe, and plain on a terminal."""
    return plain_text(text) if sys.stdout.isatty() else text
