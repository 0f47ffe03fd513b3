"""What became of the run, by Temporal's histories, the calls of models, the ledger of effects and the audit log.

Nothing is counted by the demo itself. A step is an activity in a history. It is lost if it was scheduled and never
ended. It is doubled if it was done again after it had ended: one that was in flight when something was killed may be
done again, and is counted apart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from resprout.activities.contracts import DECIDE
from resprout.memory.database import Database
from resprout.runtime.runs import Runs
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

CALLS = """
SELECT key, at, outcome, input_tokens, output_tokens, bound_tokens, nanos FROM resprout.model_calls
WHERE run = $1 OR starts_with(run, $1 || '/') ORDER BY at
"""
EFFECTS = "SELECT key, state, attempts FROM resprout.effects WHERE run = $1 OR starts_with(run, $1 || '/')"
AUDITED = """
SELECT step, kind, count(*) AS times FROM resprout.audit
WHERE (run = $1 OR starts_with(run, $1 || '/')) AND kind IN ('done', 'approved') GROUP BY step, kind
"""

ENDS = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
)


@dataclass(frozen=True)
class Call:
    """One attempt at a call of a model."""

    key: str  # the step: its run, and which decision
    at: datetime
    outcome: str
    input_tokens: int | None
    output_tokens: int | None
    bound_tokens: int
    nanos: int | None


@dataclass(frozen=True)
class Records:
    histories: dict[str, Sequence[HistoryEvent]]  # by run
    calls: Sequence[Call]
    effects: Sequence[Any]
    audited: Sequence[Any]

    def steps(self) -> int:
        return len(self._events(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED))

    def lost(self) -> list[str]:
        lost = [f"{run} did not end well" for run, events in self.histories.items() if not _is_completed(events)]
        for run, events in self.histories.items():
            ended = {_scheduled(event) for event in events if event.event_type in ENDS}
            lost += [f"{run}: {name} has no end" for event, name in _activities(events).items() if event not in ended]
        return lost + [f"{one['key']} is {one['state']}" for one in self.effects if one["state"] != "done"]

    def doubled(self) -> list[str]:
        doubled = [f"{one['step']} was {one['kind']} {one['times']} times" for one in self.audited if one["times"] > 1]
        for run, events in self.histories.items():
            completed = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
            ends = Counter(_scheduled(event) for event in events if event.event_type == completed)
            doubled += [f"{run}: step {step} was completed {times} times" for step, times in ends.items() if times > 1]
        decided = self._decided()
        return doubled + [
            f"{call.key} was asked of the model after it had ended"
            for call in self.calls
            if call.key in decided and call.at > decided[call.key]
        ]

    def in_flight(self) -> int:
        """How often something was done again that had not ended when something was killed."""
        calls = len(self.calls) - len({call.key for call in self.calls})
        effects: int = sum(one["attempts"] - 1 for one in self.effects)
        return calls + effects

    def tokens(self) -> tuple[int, int, int]:
        """Read, written, and at most so many more in calls that were cut off."""
        known = [call for call in self.calls if call.input_tokens is not None]
        cut_off = sum(call.bound_tokens for call in self.calls if call.input_tokens is None)
        return sum(call.input_tokens or 0 for call in known), sum(call.output_tokens or 0 for call in known), cut_off

    def dollars(self) -> float | None:
        """None: a price is not known. A call that was cut off costs what its model does: the bundled one, nothing."""
        known = [call.nanos for call in self.calls if call.input_tokens is not None]
        return None if None in known else sum(nanos or 0 for nanos in known) / 1e9

    def _events(self, kind: "EventType.ValueType") -> list[HistoryEvent]:
        return [event for events in self.histories.values() for event in events if event.event_type == kind]

    def _decided(self) -> dict[str, datetime]:
        """When each decision stood in Temporal's history, by its step."""
        found: dict[str, datetime] = {}
        for run, events in self.histories.items():
            first = events[0].workflow_execution_started_event_attributes.first_execution_run_id
            decisions = [event for event, name in _activities(events).items() if name == DECIDE]
            ends = {_scheduled(event): moment(event) for event in events if event.event_type in ENDS}
            found |= {f"{run}@{first}/{n}": ends[one] for n, one in enumerate(decisions, 1) if one in ends}
        return found


async def read(runs: Runs, database: Database, run: str) -> Records:
    return Records(
        await histories(runs, run),
        await calls(database, run),
        await database.pool.fetch(EFFECTS, run),
        await database.pool.fetch(AUDITED, run),
    )


async def calls(database: Database, run: str) -> list[Call]:
    return [Call(**row) for row in await database.pool.fetch(CALLS, run)]


async def histories(runs: Runs, run: str) -> dict[str, Sequence[HistoryEvent]]:
    """Of the run and of all that it started."""
    found: dict[str, Sequence[HistoryEvent]] = {}
    waiting = [run]
    while waiting:
        name = waiting.pop()
        found[name] = (await runs.get(name).handle.fetch_history()).events
        started = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
        waiting += [
            event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
            for event in found[name]
            if event.event_type == started
        ]
    return found


def moment(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


def _activities(events: Sequence[HistoryEvent]) -> dict[int, str]:
    """Their names, by the event that scheduled them."""
    kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    return {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.event_type == kind
    }


def _scheduled(event: HistoryEvent) -> int:
    """Of the end of an activity: the event that scheduled it."""
    scheduled: int = getattr(event, event.WhichOneof("attributes") or "").scheduled_event_id
    return scheduled


def _is_completed(events: Sequence[HistoryEvent]) -> bool:
    return events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
