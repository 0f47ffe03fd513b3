"""A run written to a file, one JSON object a line, and read again where there is no Temporal.

Lines, told apart by `kind`: one `run` (what it is and was given), `event` (what happened), `task` (what became of each
task), one `end` (what came out) if the run had ended. A reader skips kinds and words that it does not know.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from ..actors.errors import Rejected, RunFailed
from ..workflows.flow import Flow
from .run_events import Event, events
from .run_rows import RunRow
from .run_tree import Node, tree_of
from .run_watch import View, failure_of
from .runs import RunRef

VERSION = 1


@dataclass(frozen=True)
class Trace:
    row: RunRow
    inputs: dict[str, Any]
    flow: Flow
    events: tuple[Event, ...]
    tasks: tuple[dict[str, Any], ...]
    result: Any
    failure: RunFailed | None

    def view(self) -> View:
        return View(self.row, self.nodes(self.tasks), failure=self.failure)

    def nodes(self, tasks: Iterable[dict[str, Any]]) -> tuple[Node, ...]:
        return tree_of(self.flow, {"tasks": list(tasks)}, self.row.id)

    def at(self, moment: datetime) -> View:
        """How it looked then."""
        row = RunRow(**{**vars(self.row), "status": "running", "ended_at": None})
        return View(row, self.nodes(filter(None, (_at(task, moment) for task in self.tasks))))

    def moments(self) -> list[datetime]:
        """When something changed."""
        told = {task[word] for task in self.tasks for word in ("started_at", "ended_at")} - {None}
        return sorted(datetime.fromisoformat(moment) for moment in told)


def _at(task: dict[str, Any], moment: datetime) -> dict[str, Any] | None:
    if datetime.fromisoformat(task["started_at"]) > moment:
        return None
    if task["ended_at"] is not None and datetime.fromisoformat(task["ended_at"]) <= moment:
        return task
    return {**task, "status": "running", "ended_at": None, "note": ""}


async def lines(run: RunRef) -> list[dict[str, Any]]:
    """The trace of a run, ended or not."""
    row = await run.describe()
    given = await run.given()
    written: list[dict[str, Any]] = [
        {"kind": "run", "trace": VERSION, "run": row.as_json(), "inputs": given.inputs, "flow": given.flow}
    ]
    written += [{"kind": "event", **event.as_json()} async for event in events(run)]
    failure = None if row.is_open or row.status == "completed" else await failure_of(run)
    if failure is None or not failure.never_began:
        state, finished = await run.state(), await run.finished()
        outputs = {key: one.output for key, one in finished.items()}
        written += [{"kind": "task", **task, "output": outputs.get(task["key"])} for task in state["tasks"]]
    if failure is not None:
        written.append({"kind": "end", "status": failure.status, "error": list(failure.args[2:])})
    elif row.status == "completed":
        written.append({"kind": "end", "status": row.status, "result": await run.result()})
    return written


def read(text: str, name: str) -> Trace:
    """Raises Rejected for what is no trace, naming the line."""
    found: dict[str, list[dict[str, Any]]] = {"run": [], "event": [], "task": [], "end": []}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            told = _object(line, f"{name}:{number}")
            found.setdefault(str(told.pop("kind", None)), []).append(told)
    if len(found["run"]) != 1:
        raise Rejected(f"{name} is no trace of a run: it has {len(found['run'])} lines of the kind `run`. {_REMEDY}")
    head = found["run"][0]
    if head.get("trace") != VERSION:
        raise Rejected(f"{name} is a trace of version {head.get('trace')}; this Resprout reads version {VERSION}.")
    try:
        return _trace(head, found)
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(f"{name} is no trace that can be read ({type(error).__name__}: {error}). {_REMEDY}") from None


_REMEDY = "Write one with `resprout runs export ID -o FILE`."


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise Rejected(f"{where}: this is not JSON ({error}). {_REMEDY}") from None
    if not isinstance(told, dict):
        raise Rejected(f"{where}: this is no JSON object. {_REMEDY}")
    return told


def _trace(head: dict[str, Any], found: dict[str, list[dict[str, Any]]]) -> Trace:
    known = {one.name for one in fields(RunRow)}
    row = {name: value for name, value in head["run"].items() if name in known}
    ended = row["ended_at"]
    end = found["end"][0] if found["end"] else {}
    times = {"started_at": _moment(row["started_at"]), "ended_at": _moment(ended) if ended else None}
    return Trace(
        row=RunRow(**{**row, **times, "tags": tuple(row["tags"])}),
        inputs=head["inputs"],
        flow=Flow.model_validate(head["flow"]),
        events=tuple(Event(_moment(e["at"]), e["what"], e["about"], e.get("note", "")) for e in found["event"]),
        tasks=tuple(found["task"]),
        result=end.get("result"),
        failure=RunFailed(row["id"], end["status"], *end["error"]) if "error" in end else None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
