"""That what is lost or doubled is seen: on histories and rows as Temporal and Postgres give them."""

from datetime import UTC, datetime, timedelta

from resprout.activities.contracts import DECIDE
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from examples.demo.records import Call, Records

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, kind: str) -> HistoryEvent:
    made = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_{kind}"))
    made.event_time.FromDatetime(BEGAN + timedelta(seconds=number))
    return made


def started(number: int) -> HistoryEvent:
    made = event(number, "WORKFLOW_EXECUTION_STARTED")
    made.workflow_execution_started_event_attributes.first_execution_run_id = "first"
    return made


def scheduled(number: int) -> HistoryEvent:
    made = event(number, "ACTIVITY_TASK_SCHEDULED")
    made.activity_task_scheduled_event_attributes.activity_type.name = DECIDE
    return made


def completed(number: int, of: int) -> HistoryEvent:
    made = event(number, "ACTIVITY_TASK_COMPLETED")
    made.activity_task_completed_event_attributes.scheduled_event_id = of
    return made


WHOLE = [started(1), scheduled(2), completed(3, of=2), event(4, "WORKFLOW_EXECUTION_COMPLETED")]


def records(events: list[HistoryEvent], *calls_at: int, done: int = 1, state: str = "done") -> Records:
    calls = [Call("run@first/1", BEGAN + timedelta(seconds=at), "done", 10, 5, 100, 0) for at in calls_at]
    effects = [{"key": "run/write", "state": state, "attempts": 1}]
    return Records({"run": events}, calls, effects, [{"step": "run/write", "kind": "done", "times": done}])


def test_of_a_whole_run_nothing_is_lost_or_doubled() -> None:
    found = records(WHOLE, 2)

    assert (found.steps(), found.lost(), found.doubled(), found.in_flight()) == (1, [], [], 0)


def test_a_step_without_an_end_is_lost() -> None:
    assert records([*WHOLE[:3], scheduled(4), WHOLE[3]], 2).lost() == [f"run: {DECIDE} has no end"]


def test_a_run_that_does_not_end_well_is_lost() -> None:
    assert records(WHOLE[:3], 2).lost() == ["run did not end well"]


def test_an_effect_of_which_nobody_knows_is_lost() -> None:
    assert records(WHOLE, 2, state="in-doubt").lost() == ["run/write is in-doubt"]


def test_an_effect_that_was_done_twice_is_doubled() -> None:
    assert records(WHOLE, 2, done=2).doubled() == ["run/write was done 2 times"]


def test_a_call_of_the_model_after_its_step_had_ended_is_doubled() -> None:
    assert records(WHOLE, 2, 4).doubled() == ["run@first/1 was asked of the model after it had ended"]


def test_a_call_that_was_in_flight_is_done_again_and_not_doubled() -> None:
    found = records(WHOLE, 1, 2)

    assert (found.doubled(), found.in_flight()) == ([], 1)
