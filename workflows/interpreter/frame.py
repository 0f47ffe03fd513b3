"""What a list of tasks sees: the tasks around it, the loop it is in, the error it handles."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..flow.model import TaskBase
from .run_input import Finished

Seen = ChainMap[str, dict[str, Any]]


@dataclass(frozen=True)
class Frame:
    roots: Mapping[str, Any]  # inputs, env, run
    tasks: Seen = field(default_factory=ChainMap)
    prefix: str = ""  # of the keys of tasks: the rounds of loops that it is in, as in `pages[3].`
    loop: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    keys: list[str] = field(default_factory=list)  # of the tasks that began in this round

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
        )

    def catching(self, error: Mapping[str, Any]) -> "Frame":
        return replace(self, error=error)
