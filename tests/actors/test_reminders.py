from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from resprout.actors.ids import new_id
from resprout.actors.reminders import LATE, MOST_AT_ONCE, Missed, Reminder, fire

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
KINDS = st.sampled_from(["once", "each", "skip"])
PERIODS = st.integers(1, 3_600).map(lambda seconds: timedelta(seconds=seconds))
DELAYS = st.floats(-100, 500_000).map(lambda seconds: timedelta(seconds=seconds))


def reminder(every: timedelta | None, missed: Missed, due: datetime = BEGAN) -> Reminder:
    return Reminder(new_id(), "r", due, every, missed, "t", 1, "{}")


@given(every=st.none() | PERIODS, missed=KINDS, delay=DELAYS)
def test_nothing_fires_early_and_a_periodic_reminder_never_ends(
    every: timedelta | None, missed: Missed, delay: timedelta
) -> None:
    now = BEGAN + delay

    firing = fire(reminder(every, missed), now)

    assert all(tick <= now for tick in firing.ticks)
    assert list(firing.ticks) == sorted(set(firing.ticks))
    if every is not None or now < BEGAN:
        assert firing.next_due is not None


@given(every=PERIODS, missed=KINDS, delay=DELAYS)
def test_ticks_never_drift(every: timedelta, missed: Missed, delay: timedelta) -> None:
    firing = fire(reminder(every, missed), BEGAN + delay)

    for at in (*firing.ticks, firing.next_due):
        assert at is not None
        assert (at - BEGAN) % every == timedelta(0)


@given(every=PERIODS, looks=st.lists(st.floats(0, 5_000), min_size=1, max_size=20))
def test_each_misses_no_tick_whenever_somebody_looks(every: timedelta, looks: list[float]) -> None:
    now, due = BEGAN, BEGAN
    seen: list[datetime] = []
    for pause in looks:
        now += timedelta(seconds=pause)
        while (firing := fire(reminder(every, "each", due), now)).ticks:
            assert len(firing.ticks) <= MOST_AT_ONCE
            seen += firing.ticks
            assert firing.next_due is not None
            due = firing.next_due

    assert seen == [BEGAN + n * every for n in range((now - BEGAN) // every + 1)]


@given(every=PERIODS, delay=st.floats(0, 500_000).map(lambda seconds: timedelta(seconds=seconds)))
def test_once_tells_of_all_that_was_missed_in_one_message(every: timedelta, delay: timedelta) -> None:
    firing = fire(reminder(every, "once"), BEGAN + delay)

    assert len(firing.ticks) == 1
    assert firing.next_due is not None
    assert firing.next_due > BEGAN + delay


@given(delay=st.floats(0, 500_000).map(lambda seconds: timedelta(seconds=seconds)))
def test_skip_drops_what_is_late(delay: timedelta) -> None:
    firing = fire(reminder(None, "skip"), BEGAN + delay)

    assert firing.ticks == (() if delay > LATE else (BEGAN,))
    assert firing.next_due is None


@given(missed=KINDS)
def test_a_period_beyond_the_calendar_ticks_once(missed: Missed) -> None:
    firing = fire(reminder(timedelta(days=365 * 9_000), missed), BEGAN)

    assert firing.ticks == (BEGAN,)
    assert firing.next_due is None
