"""News of a run as JSON, one object a line: for programs that watch."""

import json
from collections.abc import Iterable
from typing import Any

import typer

from ..run_changes import Change, RunChanges
from ..run_watch import View


class Events:
    def __init__(self) -> None:
        self.changes = RunChanges()

    def tell(self, seen: View) -> None:
        _print(self.changes.since(seen))

    def ended(self, seen: View, result: Any) -> None:
        _print(self.changes.ended(seen, result))


def _print(changes: Iterable[Change]) -> None:
    for change in changes:
        typer.echo(json.dumps(change, ensure_ascii=False))
