"""Hundreds of schedules, each drawn from its seed, and every invariant looked at after each.

`RESPROUT_SIMULATION_SEEDS=20000 pytest tests/simulation -s` runs more. A seed that fails replays the same schedule:
`check(simulate(N))`.
"""

import os
import time
from collections import Counter

import pytest
import structlog

from .invariants import check
from .weather import FAULTS
from .world import simulate

SEEDS = int(os.environ.get("RESPROUT_SIMULATION_SEEDS", "600"))


@pytest.fixture(autouse=True, scope="module")
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def test_every_invariant_holds_under_every_schedule() -> None:
    fired: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    began = time.monotonic()

    for seed in range(SEEDS):
        record = simulate(seed)
        check(record)
        fired.update(record.weather.fired)
        hit.update(record.weather.hit)

    print(f"{SEEDS} schedules, {SEEDS / (time.monotonic() - began) * 60:,.0f} a minute; hits: {dict(hit)}")
    assert {fault for fault in FAULTS if not fired[fault]} == set(), "a kind of fault never fired"
    assert {fault for fault in FAULTS if not hit[fault]} == set(), "a kind of fault never hit anything"


@pytest.mark.parametrize("seed", [1, 26, 619])
def test_a_seed_gives_the_same_schedule_again(seed: int) -> None:
    first, again = simulate(seed), simulate(seed)

    assert first.trace == again.trace
    assert first.steps == again.steps
    assert simulate(seed + 1).trace != first.trace
