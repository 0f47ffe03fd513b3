"""How long to wait between two attempts."""

from datetime import timedelta

import pytest
from resprout.workflows.flow.model import Retry


def test_the_pause_grows_by_its_factor_to_its_limit() -> None:
    retry = Retry(backoff=timedelta(seconds=1), factor=3, max_backoff=timedelta(seconds=10))

    assert [retry.pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 4)] == [1, 3, 9, 10]


@pytest.mark.parametrize("attempt", [20, 999])
def test_the_pause_does_not_grow_beyond_all_numbers(attempt: int) -> None:
    assert Retry(factor=100).pause_after(attempt) == timedelta(minutes=1)
    assert Retry(backoff=timedelta(0), factor=100).pause_after(attempt) == timedelta(0)
