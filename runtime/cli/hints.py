"""A command that a sentence names works as it stands: with the global options of the command that said it."""

import re
import shlex
import sys
from collections.abc import Sequence

# Where the stack and its settings are. `--set` is of one command.
REPEATED = ("--data-dir", "--config")

_COMMAND = re.compile(r"`(resprout [^`]*)`")


def as_given(sentence: str, words: Sequence[str] | None = None) -> str:
    options = _options(sys.argv[1:] if words is None else words)
    return _COMMAND.sub(lambda found: f"`{_with(found[1], options)}`", sentence) if options else sentence


def _with(command: str, options: str) -> str:
    """Before what belongs to another program, and once, however often a sentence passes here."""
    ours, ends, theirs = command.partition(" -- ")
    return f"{ours.removesuffix(options)}{options}{ends}{theirs}"


def _options(words: Sequence[str]) -> str:
    given: dict[str, str] = {}
    for place, word in enumerate(words):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name in REPEATED and (equals or place + 1 < len(words)):
            given[name] = value if equals else words[place + 1]
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given.items())
