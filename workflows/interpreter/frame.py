"""What a list of tasks sees: the tasks around it, the loop it is in, the error it handles; and what it can undo.

A frame belongs to a round of a loop and to a scope of compensation (the run, the tasks of a `try`, one attempt of a
task that is tried again). `undo` is the scope's: nobody but the scope takes from it, so a scope that fails never undoes
what others did beside it. A scope that ends well hands its `undo` to the one around it.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..flow.model import TaskBase
from .run_input import Finished

Seen = ChainMap[str, dict[str, Any]]


class Undoable(NamedTuple):
    """A task that ended well and says how it is undone."""

    turn: int  # when it ended, in the order of the ledger
    task: TaskBase
    frame: "Frame"


@dataclass(frozen=True)
class Frame:
    roots: Mapping[str, Any]  # inputs, env, run
    tasks: Seen = field(default_factory=ChainMap)
    prefix: str = ""  # of the keys of tasks: the rounds of loops that it is in, as in `pages[3].`
    tries: str = ""  # the attempts that it is in, beyond the first ones, as in `/pay:2`
    budget: str | None = None  # the innermost one, which everything here spends
    loop: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    keys: list[str] = field(default_factory=list)  # of the tasks that began in this round
    rounds: dict[str, "Frame"] = field(default_factory=dict)  # of loops in this round, by prefix; not those forgotten
    undo: list[Undoable] = field(default_factory=list)

    @property
    def scope(self) -> dict[str, Any]:
        scope: dict[str, Any] = {**self.roots, "tasks": self.tasks}
        if self.loop is not None:
            scope["loop"] = self.loop
        if self.error is not None:
            scope["error"] = self.error
        return scope

    def key_of(self, task: TaskBase) -> str:
        return f"{self.prefix}{task.key}"

    def see(self, task: TaskBase, finished: Finished) -> None:
        self.tasks[task.key] = finished.as_seen()

    def round(self, key: str, index: int, loop: Mapping[str, Any]) -> "Frame":
        """Tasks of one round do not see those of another."""
        outer = self.loop or {}
        return replace(
            self,
            tasks=self.tasks.new_child(),
            prefix=f"{key}[{index}].",
            loop={**outer, **loop, "index": index},
            keys=[],
            rounds={},
            undo=[],
        )

    def scoped(self) -> "Frame":
        """The same place, in a scope of compensation of its own."""
        return replace(self, undo=[])

    def attempt(self, key: str, number: int) -> "Frame":
        """An attempt at a task, in a scope of compensation of its own. What is done in another one is done anew."""
        return replace(self, undo=[], tries=self.tries + (f"/{key}:{number}" if number > 1 else ""))

    def within(self, budget: str) -> "Frame":
        """The same place, with what is spent there counted."""
        return replace(self, budget=budget)

    def undoing(self) -> "Frame":
        """In a scope of its own, and free: what is spent must keep nothing from being undone."""
        return replace(self, undo=[], budget=None)

    def catching(self, error: Mapping[str, Any]) -> "Frame":
        return replace(self, error=error)

    def every_key(self) -> Iterator[str]:
        """Also of the rounds inside."""
        yield from self.keys
        for inner in self.rounds.values():
            yield from inner.every_key()
