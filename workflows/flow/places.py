"""Where each task of a flow stands, what it waits for, and therefore what has been decided before it starts.

A list of tasks is a graph: a task needs those that `needs` names among its siblings; without `needs` it needs the one
before it, and in `parallel` none. What is decided before a task starts: the tasks it needs, what these need, and the
same for each task around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .model import Flow, Task
from .problem import Findings, Path
from .vocabulary import did_you_mean


@dataclass(eq=False, slots=True)
class TaskList:
    role: str
    """The word before the list: `tasks`, `then`, `do`, `catch`, …"""
    path: Path
    owner: "Place | None"
    places: "list[Place]" = field(default_factory=list)

    @property
    def ordered(self) -> bool:
        return self.role != "parallel"


@dataclass(eq=False, slots=True)
class Place:
    task: Task
    path: Path
    inside: TaskList
    index: int
    lists: list[TaskList] = field(default_factory=list)
    needs: tuple[int, ...] = ()
    """The siblings that it waits for."""
    before: int = 0
    """The siblings that have been decided before it starts, one bit each."""

    @property
    def id(self) -> str:
        return self.task.key

    @property
    def owner(self) -> "Place | None":
        return self.inside.owner

    def around(self) -> "Iterator[Place]":
        """The task itself and those it stands in, innermost first."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.owner

    def loops(self) -> "Iterator[Place]":
        """The loops whose rounds run this task, innermost first."""
        for place in self.around():
            if place.inside.role == "do" and place.owner is not None:
                yield place.owner

    def within(self, *roles: str) -> bool:
        return any(place.inside.role in roles for place in self.around())


@dataclass(eq=False, slots=True)
class Tree:
    root: TaskList
    by_id: dict[str, Place] = field(default_factory=dict)
    lists: list[TaskList] = field(default_factory=list)

    def __iter__(self) -> Iterator[Place]:
        """Every task, also those whose id is taken."""
        return (place for inside in self.lists for place in inside.places)


def tree(flow: Flow) -> Tree:
    found = Tree(TaskList("tasks", ("tasks",), None))
    waiting = [(found.root, flow.tasks)]
    while waiting:
        inside, tasks = waiting.pop()
        found.lists.append(inside)
        for index, task in enumerate(tasks):
            place = Place(task, (*inside.path, index), inside, index)
            inside.places.append(place)
            found.by_id.setdefault(place.id, place)
            for steps, inner in task.lists():
                listed = TaskList(_role(steps), (*place.path, *steps), place)
                place.lists.append(listed)
                waiting.append((listed, inner))
    return found


def _role(steps: Path) -> str:
    match steps:
        case ("parallel", "tasks"):
            return "parallel"
        case (_, "cases", _):
            return "case"
        case (_, "elif", _, _):
            return "elif"
    return str(steps[-1])


def check_needs(found: Tree, findings: Findings) -> None:
    """Resolves what every task waits for; reports names that are no siblings, and circles."""
    for inside in found.lists:
        indexes = {place.id: place.index for place in inside.places}
        for place in inside.places:
            place.needs = _needs(place, indexes, found, findings)
        order = _order(inside, findings)
        for place in order:
            for need in place.needs:
                place.before |= inside.places[need].before | 1 << need


def _needs(place: Place, indexes: dict[str, int], found: Tree, findings: Findings) -> tuple[int, ...]:
    if place.task.needs is None:
        return (place.index - 1,) if place.inside.ordered and place.index else ()
    needs: list[int] = []
    for at, name in enumerate(place.task.needs):
        path = (*place.path, "needs", at)
        if name == place.id:
            findings.add(path, f"`{name}` needs itself", f"take `{name}` out of its `needs`")
        elif name not in indexes:
            siblings = [sibling for sibling in indexes if sibling != place.id]
            findings.add(path, *_no_sibling(name, siblings, found))
        elif indexes[name] in needs:
            findings.add(path, f"`{name}` is named twice", "leave one of them out")
        else:
            needs.append(indexes[name])
    return tuple(needs)


def _no_sibling(name: str, siblings: list[str], found: Tree) -> tuple[str, str]:
    listed = f"`needs` may name {', '.join(siblings[:10])}" if siblings else "leave `needs` out"
    if name in found.by_id:
        fix = f"name the task around `{name}` that stands in this list; {listed}"
        return f"`{name}` is in another list, and `needs` names tasks of the same list", fix
    return f"there is no task `{name}`", did_you_mean(name, siblings, listed)


def _order(inside: TaskList, findings: Findings) -> list[Place]:
    """The tasks so that each comes after what it needs; reports a circle once, as a → b → a."""
    ordered: list[Place] = []
    done: set[int] = set()
    for start in inside.places:
        trail: list[int] = []
        stack = [(start.index, False)]
        while stack:
            index, left = stack.pop()
            if left:
                trail.pop()
                done.add(index)
                ordered.append(inside.places[index])
            elif index in trail:
                _circle(inside, trail[trail.index(index) :], findings)
                return ordered
            elif index not in done:
                trail.append(index)
                stack.append((index, True))
                stack.extend((need, False) for need in inside.places[index].needs)
    return ordered


def _circle(inside: TaskList, circle: list[int], findings: Findings) -> None:
    ids = [inside.places[index].id for index in (*circle, circle[0])]
    explicit = next(
        (inside.places[index] for index in circle if inside.places[index].task.needs), inside.places[circle[0]]
    )
    implied = [inside.places[index] for index in circle if inside.places[index].task.needs is None]
    fix = "take one of them out of `needs`"
    if implied:
        fix = f"give `{implied[0].id}` its own `needs: []`: without it, it needs the task before it"
    findings.add((*explicit.path, "needs"), f"these tasks wait for each other: {' → '.join(ids)}", fix)
