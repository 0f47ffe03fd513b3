from datetime import UTC, datetime, timedelta

import pytest
from resprout.runtime.doctor.clock import judged

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NONE = timedelta()


@pytest.mark.parametrize(
    ("now", "jumped", "compared", "level", "words"),
    [
        (NOW, NONE, "no external server", "ok", "not compared: no external server"),
        (NOW, NONE, timedelta(seconds=1.9), "ok", "+1.9 s from Postgres"),
        (NOW, NONE, timedelta(seconds=-2.1), "warning", "-2.1 s from Postgres"),
        (NOW, timedelta(seconds=-5), NONE, "warning", "jumped by -5.0 s"),
        (datetime(1970, 1, 1, tzinfo=UTC), NONE, NONE, "warning", "1970-01-01"),
    ],
)
def test_a_clock_is_judged_by_its_year_its_jumps_and_a_server(
    now: datetime, jumped: timedelta, compared: timedelta | str, level: str, words: str
) -> None:
    finding = judged(now, jumped, compared)

    assert finding.level == level
    assert words in finding.found
    assert bool(finding.remedy) == (level != "ok")
