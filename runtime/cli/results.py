"""What a run gives, as text, for the terminal or a file: a text as it is, anything else as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ...actors.errors import Rejected

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there, not to the terminal.")
]

LARGE = 4_000  # characters: more than that pushes everything else off a terminal
SHOWN = 500


def text_of(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False)


def glimpse(text: str, whole: str) -> str:
    """The text while it is small; else its beginning, its size, and where the whole is to be had."""
    if len(text) <= LARGE:
        return text
    return f"{text[:SHOWN]}…\n({len(text.encode()):,} bytes, the first {SHOWN} characters are shown; {whole})"


def write(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Rejected(f"{output} cannot be written: {(error.strerror or 'unknown reason').lower()}.") from None
