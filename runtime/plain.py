"""What others wrote, as lines in which nothing moves a cursor, changes what is shown, or hides.

Tools, sandboxes, models and servers write it, and none of them is trusted with a terminal.
"""

import re

HIDDEN = "\ufffd"

# Controls, of which escape sequences are made; what turns the direction of writing; separators of lines that are no
# newline; halves of characters, which no terminal takes.
_UNFIT = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(line: str) -> str:
    return _UNFIT.sub(HIDDEN, line.rstrip("\r"))


def plain_text(text: str) -> str:
    """Of several lines."""
    return "\n".join(map(plain, text.split("\n")))
