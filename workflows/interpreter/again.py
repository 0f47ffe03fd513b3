"""What a new run takes over from one that has ended, or that goes another way from some task on.

Keys are those of the ledger, as in `pages[3].fetch`: the task's id, after the rounds of the loops around it. What runs
again is a task, all inside it, all that needs it among its siblings (the task before counts where no `needs` is
written), later rounds of a loop whose rounds follow each other, `catch` and `finally` behind what they watch; and the
same for each block around it. Everything else that was completed or skipped is kept.

A task that was undone by its `compensate` has to be done again, with all that comes after it, unless the `try` that
undid it, or a block around that, ended well: then the flow has dealt with it. What failed inside a block that ended
well (a collected failure, say) stays as it is, unless the block itself runs again.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import JsonValue

from ...actors.errors import NotFound, Rejected
from ..flow import Flow
from ..flow.model import Loop
from ..flow.places import Tree, check_needs, tree
from ..flow.problem import Findings
from ..flow.vocabulary import did_you_mean
from .run_input import Finished

Path = tuple[str | int, ...]  # the tasks around a task, from the outermost, and the rounds in which it is

ENDED_WELL = ("completed", "skipped")
_STEP = re.compile(r"([a-z][a-z0-9_]*)(?:\[(\d+)\])?")
_BEHIND = {"catch": {"try"}, "finally": {"try", "catch"}}  # lists of one task that run after others of its lists


def kept_for_retry(flow: Flow, finished: Mapping[str, Finished], begun: Iterable[str]) -> dict[str, Finished]:
    """Without what failed, was in flight (`begun`, without an end) or was undone, and all that comes after these."""
    story = _Story(flow, finished, begun)
    return story.without(story.innermost(story.unwell()) | story.undone())


def kept_for_fork(flow: Flow, finished: Mapping[str, Finished], begun: Iterable[str], task: str) -> dict[str, Finished]:
    """Without the task and all that comes after it. Raises NotFound or Rejected for what is no task to begin with."""
    story = _Story(flow, finished, begun)
    target = story.path_named(task)
    settled = story.settled_before(target)
    again = {target, *(path for path in story.undone() if not settled(path))}
    return story.without(again, settled)


def with_outputs(flow: Flow, finished: Mapping[str, Finished], outputs: Mapping[str, JsonValue]) -> dict[str, Finished]:
    """As if these tasks had ended with these outputs. The blocks around them are gone through again."""
    story = _Story(flow, finished, ())
    changed = dict(finished)
    for task, output in outputs.items():
        path = story.path_named(task)
        for size in range(1, len(path)):
            changed.pop(key_of(path[:size]), None)
        changed[key_of(path)] = Finished(status="completed", output=output)
    return changed


def key_of(path: Path) -> str:
    prefix, name = "", ""
    for step in path:
        if isinstance(step, int):
            prefix = f"{prefix}{name}[{step}]."
        else:
            name = step
    return prefix[:-1] if isinstance(path[-1], int) else prefix + name


class _Story:
    """A flow with what became of its tasks in one run."""

    def __init__(self, flow: Flow, finished: Mapping[str, Finished], begun: Iterable[str]) -> None:
        self.tree = tree(flow)
        check_needs(self.tree, Findings())
        self.finished = finished
        known = {key: self.path_of(key) for key in (*finished, *begun)}
        self.paths = {key: path for key, path in known.items() if path is not None}

    def path_of(self, key: str) -> Path | None:
        """None for what is no key of this flow."""
        steps = [_STEP.fullmatch(step) for step in key.split(".")]
        if any(step is None for step in steps):
            return None
        *loops, (name, last) = [(step[1], step[2]) for step in steps if step is not None]
        place = self.tree.by_id.get(name)
        if place is None or (last is not None and not isinstance(place.task, Loop)):
            return None
        path: list[str | int] = []
        for step in reversed(list(place.around())):
            if step.inside.role == "do":
                loop, index = loops.pop(0) if loops else ("", None)
                if loop != path[-1] or index is None:
                    return None
                path.append(int(index))
            path.append(step.id)
        return None if loops else (*path, int(last)) if last is not None else tuple(path)

    def path_named(self, task: str) -> Path:
        """Of a task that a person names."""
        path = self.path_of(task)
        name = task.rpartition(".")[2].partition("[")[0]
        place = self.tree.by_id.get(name)
        if place is None:
            known = [one.id for one in self.tree if not one.within("compensate")]
            said = did_you_mean(name, known, f"its tasks are {', '.join(known[:10])}")
            raise NotFound(f"the flow has no task `{name}`: {said}")
        if path is None:
            loops = "".join(f"{loop.id}[0]." for loop in reversed(list(place.loops())))
            if loops:
                raise Rejected(f"`{name}` is in a loop: name the round, too, as in {loops}{name}.")
            raise Rejected(f"`{task}` is no place in the flow: write `{name}`.")
        if place.within("compensate"):
            raise Rejected(f"`{name}` only undoes a task: name a task of the flow itself.")
        return path

    def unwell(self) -> set[Path]:
        """What failed, and what had begun and not ended."""
        return {
            path
            for key, path in self.paths.items()
            if (key not in self.finished or self.finished[key].status not in ENDED_WELL)
            and not self.is_covered(path, self.finished)
            and not self._undoes(path)
        }

    def innermost(self, paths: set[Path]) -> set[Path]:
        """Without those whose trouble is that of a task inside them."""
        around = {path[:size] for path in paths for size in range(1, len(path))}
        return paths - around

    def undone(self) -> set[Path]:
        """What was compensated, or had begun to be, and is missed."""
        owners = {owner for path in self.paths.values() if (owner := self._undoes(path))}
        return {owner for owner in owners if not self._is_dealt_with(owner)}

    def _is_dealt_with(self, undone: Path) -> bool:
        scope = self._undone_by(undone)
        return scope is not None and (self._ended_well(scope) or self.is_covered(scope, self.finished))

    def _undone_by(self, undone: Path) -> Path | None:
        """The innermost `try` around it that did not end well by itself. Without one it was undone by the run."""
        for at in range(len(undone) - 1, 0, -1):
            step = undone[at]
            if not isinstance(step, str) or self.tree.by_id[step].inside.role != "try":
                continue
            scope = undone[:at]
            if not self._ended_well(scope) or scope in self._caught:
                return scope
        return None

    @cached_property
    def _caught(self) -> set[Path]:
        """Each `try` whose `catch` has begun."""
        return {
            path[:at]
            for path in self.paths.values()
            for at, step in enumerate(path)
            if isinstance(step, str) and self.tree.by_id[step].inside.role == "catch"
        }

    def _ended_well(self, path: Path) -> bool:
        known = self.finished.get(key_of(path))
        return known is not None and known.status in ENDED_WELL

    def _undoes(self, path: Path) -> Path | None:
        for at in range(len(path) - 1, 0, -1):
            step = path[at]
            if isinstance(step, str) and self.tree.by_id[step].inside.role == "compensate":
                return path[:at]
        return None

    def is_covered(self, path: Path, finished: Mapping[str, Finished]) -> bool:
        """Whether a block around it ended well, so that nobody asks for what is inside any more."""
        around = (finished.get(key_of(path[:size])) for size in range(1, len(path)))
        return any(one is not None and one.status in ENDED_WELL for one in around)

    def settled_before(self, target: Path) -> Callable[[Path], bool]:
        """Whether something is in a `try` whose `catch` or `finally` the target is in: its failure stands."""
        turns: dict[Path, set[str]] = {}
        for at, step in enumerate(target):
            if isinstance(step, str):
                turns[target[:at]] = _BEHIND.get(self.tree.by_id[step].inside.role, set())

        def settled(path: Path) -> bool:
            return any(
                isinstance(step, str) and self.tree.by_id[step].inside.role in turns.get(path[:at], ())
                for at, step in enumerate(path)
            )

        return settled

    def without(self, again: set[Path], settled: Callable[[Path], bool] = lambda _: False) -> dict[str, Finished]:
        marks = _Marks(self.tree)
        for path in again:
            marks.add(path)
        left = {
            key: self.finished[key] for key, path in self.paths.items() if key in self.finished and path not in marks
        }
        return {
            key: one
            for key, one in left.items()
            if self.is_covered(self.paths[key], left)
            or settled(self.paths[key])
            or (one.status in ENDED_WELL and not self._undoes(self.paths[key]))
        }


@dataclass
class _Mark:
    """What runs again below one place."""

    whole: bool = False
    begun: dict[int, int] = field(default_factory=dict)  # by the list of tasks: which of them, one bit each
    roles: set[str] = field(default_factory=set)
    round: int | None = None  # the first


class _Marks:
    """What runs again, so that the question costs no more than a task is deep."""

    def __init__(self, found: Tree) -> None:
        self.tree = found
        self.below: dict[Path, _Mark] = {}

    def add(self, path: Path) -> None:
        for at, step in enumerate(path):
            mark = self.below.setdefault(path[:at], _Mark())
            if isinstance(step, int):
                mark.round = step if mark.round is None else min(mark.round, step)
            else:
                place = self.tree.by_id[step]
                mark.roles.add(place.inside.role)
                mark.begun[id(place.inside)] = mark.begun.get(id(place.inside), 0) | 1 << place.index
        self.below.setdefault(path, _Mark()).whole = True

    def __contains__(self, path: Path) -> bool:
        for at, step in enumerate(path):
            mark = self.below.get(path[:at])
            if mark is None:
                return False
            if mark.whole or self._comes_after(mark, path[:at], step):
                return True
        return path in self.below

    def _comes_after(self, mark: _Mark, owner: Path, step: str | int) -> bool:
        if isinstance(step, int):
            loop = self.tree.by_id[str(owner[-1])].task
            follows = isinstance(loop, Loop) and loop.loop.max_parallel == 1
            return follows and mark.round is not None and step > mark.round
        place = self.tree.by_id[step]
        return bool(
            place.before & mark.begun.get(id(place.inside), 0) or mark.roles & _BEHIND.get(place.inside.role, set())
        )
