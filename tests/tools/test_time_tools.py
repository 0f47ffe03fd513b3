"""Tools for dates and times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.builtin import times
from resprout.activities.tools.builtin.cron import following
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands


async def test_now_is_now(hands: Hands) -> None:
    before = datetime.now(UTC)

    said = await hands.use(times.now, zone="Asia/Tokyo")

    assert before <= datetime.fromisoformat(said["iso"]) <= datetime.now(UTC)
    assert said["iso"].endswith("+09:00")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-03-01T12:00:00+01:00", "2026-03-01T12:00:00+01:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("1767225600", "2026-01-01T00:00:00+00:00"),
        ("1.3.2026", "2026-03-01T00:00:00+00:00"),
        ("March 1, 2026", "2026-03-01T00:00:00+00:00"),
        ("Sun, 01 Mar 2026 12:00:00 +0100", "2026-03-01T12:00:00+01:00"),
    ],
)
async def test_a_time_is_read_as_people_write_it(hands: Hands, text: str, iso: str) -> None:
    assert (await hands.use(times.parse, text=text))["iso"] == iso


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (times.parse, {"text": "1h2026", "format": "%mh%Y", "zone": "+02:00"}, {"iso": "2026-01-01T00:00:00+02:00"}),
        (times.parse, {"text": "2026-12-31"}, {"weekday": "Thursday", "week": 53, "day_of_year": 365}),
        (
            times.format_time,
            {"time": "2026-03-01T23:30Z", "format": "%d.%m. %H:%M", "zone": "Europe/Berlin"},
            {"text": "02.03. 00:30"},
        ),
        (
            times.convert,
            {"time": "2026-07-01T12:00", "source": "Europe/Berlin", "zone": "UTC"},
            {"iso": "2026-07-01T10:00:00+00:00"},
        ),
        (times.add, {"time": "2026-01-31", "months": 1}, {"iso": "2026-02-28T00:00:00+00:00"}),
        (times.add, {"time": "2024-02-29", "years": -1, "days": 1}, {"iso": "2023-03-01T00:00:00+00:00"}),
        (
            times.add,
            {"time": "2026-03-29T00:30+01:00", "seconds": 7200, "zone": "Europe/Berlin"},
            {"iso": "2026-03-29T03:30:00+02:00"},
        ),
        (
            times.add,
            {"time": "2026-03-28T12:00+01:00", "days": 1, "zone": "Europe/Berlin"},
            {"iso": "2026-03-29T12:00:00+02:00"},
        ),
        (
            times.between,
            {"start": "2026-01-30T12:00", "end": "2026-02-02T13:00"},
            {"seconds": 262_800.0, "duration": "3d1h", "days": 3, "weekdays": 1},
        ),
        (times.between, {"start": "2026-02-02", "end": "2026-01-30"}, {"seconds": -259_200.0, "days": -3}),
        (times.calendar, {"year": 2026, "month": 2}, {"month": "February", "weeks": [[None] * 6 + [1]]}),
    ],
)
async def test_a_tool_for_times_gives(hands: Hands, tool: Tool, arguments: dict[str, Any], expected: Any) -> None:
    given = await hands.use(tool, **arguments)

    assert {name: given[name][:1] if name == "weeks" else given[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/30 9 * * *", ["2026-03-28T09:00:00+01:00", "2026-03-28T09:30:00+01:00", "2026-03-29T09:00:00+02:00"]),
        ("30 2 * * *", ["2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00", "2026-03-31T02:30:00+02:00"]),
        ("0 0 1 * mon", ["2026-03-30T00:00:00+02:00", "2026-04-01T00:00:00+02:00", "2026-04-06T00:00:00+02:00"]),
        ("0 12 29 feb *", ["2028-02-29T12:00:00+01:00", "2032-02-29T12:00:00+01:00", "2036-02-29T12:00:00+01:00"]),
        ("@yearly", ["2027-01-01T00:00:00+01:00", "2028-01-01T00:00:00+01:00", "2029-01-01T00:00:00+01:00"]),
    ],
)
async def test_cron_says_what_is_next_also_where_clocks_change(
    hands: Hands, expression: str, expected: list[str]
) -> None:
    said = await hands.use(times.cron, expression=expression, after="2026-03-28T00:00", count=3, zone="Europe/Berlin")

    assert said["times"] == expected


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)),
    st.integers(1, 59),
    st.sampled_from(["*", "mon-fri", "0,3"]),
    st.sampled_from(["*", "1-7", "31"]),
)
def test_what_comes_due_is_after_and_in_order(after: datetime, step: int, weekday: str, day: str) -> None:
    found = following(f"*/{step} 3-5 {day} * {weekday}", after.replace(tzinfo=UTC), 5)

    assert found == sorted(set(found))
    assert found[0] > after.replace(tzinfo=UTC)
    assert all(one.minute % step == 0 and 3 <= one.hour <= 5 for one in found)
    assert found[0] - after.replace(tzinfo=UTC) < timedelta(days=366)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (times.now, {"zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone: write it as in Europe/Berlin"),
        (times.now, {"zone": "../../etc/passwd"}, "is no time zone"),
        (times.parse, {"text": "soon"}, "'soon' is no time that is known here"),
        (times.parse, {"text": "1", "format": "%Y"}, "is not written like `format`"),
        (times.format_time, {"time": "?", "format": "%d"}, "is no time"),
        (times.convert, {"time": "0001-01-01", "zone": "+23:59", "source": "+23:59"}, "outside of the years"),
        (times.add, {"time": "2026-01-01", "years": 9_000}, "outside of the years 1 to 9999: add less"),
        (times.between, {"start": "2026-01-01", "end": "x"}, "'x' is no time"),
        (times.cron, {"expression": "61 * * * *", "after": "2026-01-01"}, "'61' is no minute of a cron expression"),
        (times.cron, {"expression": "* * *", "after": "2026-01-01"}, "has 3 fields, not five"),
        (times.cron, {"expression": "0 0 30 2 *", "after": "2026-01-01"}, "does not come due within 30 years"),
        (times.calendar, {"year": 2026, "month": 13}, "`month`"),
    ],
)
async def test_what_a_tool_for_times_cannot_do_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)
