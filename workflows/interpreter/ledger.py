"""What became of the tasks of a run: for expressions, for whoever watches, and for the run that goes on from here.

Of a round of a loop that has ended only its output is kept, and of a loop that has ended only the loop's: so a loop
of thousands of rounds costs what its outputs cost. The exception are rounds that can still be undone (see `rounds`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..flow.model import Loop, TaskBase
from .failures import TaskFailed
from .run_input import Finished

_ROUND = re.compile(r"\[(\d+)\]")


@dataclass(slots=True)
class Progress:
    key: str
    title: str
    word: str
    status: str  # running, waiting, completed, failed, skipped, cancelled
    started_at: datetime
    ended_at: datetime | None = None
    attempt: int = 1
    note: str = ""  # what it waits for, how far a loop is, why it failed

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "title": self.title,
            "word": self.word,
            "status": self.status,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "attempt": self.attempt,
            "note": self.note,
        }


class Ledger:
    def __init__(self, finished: dict[str, Finished]) -> None:
        self.finished = finished
        self.progress: dict[str, Progress] = {}
        self.turns = {key: turn for turn, key in enumerate(finished)}  # the order in which tasks ended, from before too
        self.turn = len(finished)
        self.rounds_before = _rounds_in(finished)
        self.version = 0  # rises with every change, so that who watches knows when to look

    def begin(self, task: TaskBase, key: str, now: datetime) -> Progress:
        self.version += 1
        progress = self.progress[key] = Progress(key, task.title, task.word, "running", now)
        return progress

    def known(self, task: TaskBase, key: str, now: datetime) -> Finished | None:
        """How the task ended in an earlier run."""
        finished = self.finished.get(key)
        if finished is not None and key not in self.progress:
            self.version += 1
            self.progress[key] = Progress(key, task.title, task.word, finished.status, now, now, note="from before")
        return finished

    def say(self, key: str, status: str, note: str = "") -> None:
        self.version += 1
        progress = self.progress[key]
        progress.status, progress.note = status, note

    def end(self, key: str, finished: Finished, now: datetime) -> Finished:
        self.finished[key] = finished
        progress = self.progress[key]
        note = progress.note if progress.word == Loop.word else ""  # its rounds are forgotten, not their number
        self.turns[key] = self.turn
        self.turn += 1
        self.close(key, finished.status, now, TaskFailed.of(finished.error).message if finished.error else note)
        return finished

    def close(self, key: str, status: str, now: datetime, note: str = "") -> None:
        self.version += 1
        progress = self.progress[key]
        progress.status, progress.ended_at, progress.note = status, now, note

    def forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.finished.pop(key, None)
            self.progress.pop(key, None)
            self.turns.pop(key, None)

    def forget_inside(self, task: TaskBase, prefix: str) -> None:
        """It is done again, with everything in it."""
        keys = [f"{prefix}{inner.key}" for inner in inside(task)]
        rounds = tuple(f"{key}[" for key in keys)
        in_rounds = [known for known in {**self.finished, **self.progress} if known.startswith(rounds)]
        self.forget([*keys[1:], *in_rounds])


def _rounds_in(keys: Iterable[str]) -> dict[str, set[int]]:
    """Which rounds of each loop stand in the ledger, or something in them."""
    rounds: dict[str, set[int]] = {}
    for key in keys:
        for found in _ROUND.finditer(key):
            rounds.setdefault(key[: found.start()], set()).add(int(found[1]))
    return rounds


def inside(task: TaskBase) -> Iterator[TaskBase]:
    """The task itself and all in it."""
    yield task
    for _, tasks in task.lists():
        for inner in tasks:
            yield from inside(inner)
