"""What changes in a run, as JSON objects, for programs that watch: `runs watch --json`, and `watch()` from Python.

`event` is task, output, delay, approval, silence or ended; `task` names the task in the run and its children. What a
model is saying is the output of its decision.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from .delays import Delay
from .run_news import RunNews
from .run_tree import Node
from .run_watch import View, Watch, looks, node_as_json
from .runs import RunRef

Change = dict[str, Any]


class RunChanges(RunNews):
    def __init__(self) -> None:
        super().__init__()
        self.told: set[str] = set()
        self.fresh: list[Change] = []

    def since(self, seen: View) -> list[Change]:
        """What is new; of a run that has ended, all but its end."""
        self.tell(seen)
        return self._taken()

    def ended(self, seen: View, result: Any) -> list[Change]:
        more = {"result": result} if seen.row.status == "completed" else {}
        now_over = ("tasks", "approvals", "delays")
        self._event("ended", **{k: v for k, v in seen.as_json().items() if k not in now_over}, **more)
        return self._taken()

    def task(self, node: Node, name: str) -> None:
        self._event("task", task=name, **{k: v for k, v in node_as_json(node).items() if k not in ("key", "output")})

    def output(self, name: str, stream: str, line: str) -> None:
        self._event("output", task=name, stream=stream, text=line)

    def silence(self, text: str) -> None:
        self._event("silence", text=text)

    def delay(self, delay: Delay) -> None:
        self._event("delay", **delay.as_json())

    def approval(self, run: str, question: dict[str, Any]) -> None:
        self._event("approval", **question)

    def _event(self, kind: str, /, **facts: Any) -> None:
        change = {"event": kind, **facts}
        line = json.dumps(change, ensure_ascii=False)
        if kind == "output" or line not in self.told:
            self.told.add(line)
            self.fresh.append(change)

    def _taken(self) -> list[Change]:
        taken, self.fresh = self.fresh, []
        return taken


async def changes_of(run: RunRef) -> AsyncIterator[Change]:
    """Until it has ended; its end is the last."""
    news = RunChanges()
    async for seen in looks(Watch(run.runs), run):
        for change in news.since(seen):
            yield change
    result = await run.result() if seen.row.status == "completed" else None
    for change in news.ended(seen, result):
        yield change
