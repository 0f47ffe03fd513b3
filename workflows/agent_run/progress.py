"""What a run has done so far, for whoever watches: decisions and calls, the last ones of many."""

from collections import OrderedDict
from typing import Any

from temporalio import workflow

from ..interpreter.ledger import Progress

MOST_SHOWN = 100


class Steps:
    def __init__(self) -> None:
        self.shown: OrderedDict[str, Progress] = OrderedDict()
        self.version = 0  # rises with every change, so that who watches knows when to look

    def begin(self, key: str, title: str, word: str) -> None:
        self.version += 1
        self.shown[key] = Progress(key, title, word, "running", workflow.now())
        while len(self.shown) > MOST_SHOWN:
            self.shown.popitem(last=False)

    def say(self, key: str, status: str, note: str = "") -> None:
        self.version += 1
        if (progress := self.shown.get(key)) is not None:
            progress.status, progress.note = status, note

    def end(self, key: str, status: str, note: str = "") -> None:
        self.say(key, status, note)
        if (progress := self.shown.get(key)) is not None:
            progress.ended_at = workflow.now()

    def as_json(self) -> list[dict[str, Any]]:
        return [progress.as_json() for progress in self.shown.values()]
