"""News of a run as JSON, one object a line: for programs that watch."""

import json
from typing import Any

import typer

from ..delays import Delay
from ..run_tree import Node
from ..run_watch import View, node_as_json
from .run_view import News


class Events(News):
    """`event` is task, output, delay, approval, silence or ended; `task` names the task in the run and its children."""

    def __init__(self) -> None:
        super().__init__(err=False)

    def task(self, node: Node, name: str) -> None:
        self.event("task", task=name, **{k: v for k, v in node_as_json(node).items() if k not in ("key", "output")})

    def output(self, name: str, stream: str, line: str) -> None:
        self.event("output", task=name, stream=stream, text=line)

    def silence(self, text: str) -> None:
        self.event("silence", text=text)

    def delay(self, delay: Delay) -> None:
        self.event("delay", **delay.as_json())

    def approval(self, run: str, question: dict[str, Any]) -> None:
        self.event("approval", **question)

    def ended(self, seen: View, result: Any) -> None:
        more = {"result": result} if seen.row.status == "completed" else {}
        now_over = ("tasks", "approvals", "delays")
        self.event("ended", **{k: v for k, v in seen.as_json().items() if k not in now_over}, **more)

    def event(self, kind: str, /, **facts: Any) -> None:
        line = json.dumps({"event": kind, **facts}, ensure_ascii=False)
        if kind == "output" or line not in self.told:
            self.told.add(line)
            typer.echo(line)
