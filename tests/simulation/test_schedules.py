"""What no schedule may break. A seed that is printed here replays its schedule: `RESPROUT_SIMULATION_SEED=17`."""

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from simulation.invariants import INVARIANTS, Violated, check
from simulation.weather import FAULTS
from simulation.world import simulate

SEEDS = int(os.environ.get("RESPROUT_SIMULATION_SEEDS", "500"))
ONE = os.environ.get("RESPROUT_SIMULATION_SEED")


@dataclass
class Run:
    fired: Counter[str]
    hit: Counter[str]
    violated: list[Violated]


@pytest.fixture(scope="module")
def run() -> Run:
    run = Run(Counter(), Counter(), [])
    seeds = [int(ONE)] if ONE else range(SEEDS)
    steps, began = 0, time.perf_counter()
    for seed in seeds:
        record = simulate(seed)
        run.fired.update(record.weather.fired)
        run.hit.update(record.weather.hit)
        steps += record.steps
        try:
            check(record)
        except Violated as violated:
            run.violated.append(violated)
            print(violated)
    rate = len(seeds) / (time.perf_counter() - began) * 60
    print(f"\n{len(seeds)} schedules, {steps:,} steps, {rate:,.0f} schedules a minute")
    print(f"faults that hit: {dict(run.hit)}")
    return run


@pytest.mark.parametrize("name", INVARIANTS)
def test_no_schedule_violates_the_invariant(run: Run, name: str) -> None:
    assert [str(violated) for violated in run.violated if violated.name == name] == []


@pytest.mark.skipif(ONE is not None or SEEDS < 100, reason="few schedules have few faults")
@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_fault_fired_and_hit(run: Run, fault: str) -> None:
    assert run.fired[fault] > 0
    assert run.hit[fault] > 0


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert [simulate(seed).trace for seed in range(10)] == [simulate(seed).trace for seed in range(10)]
    assert simulate(0).trace != simulate(1).trace


def test_a_schedule_does_not_depend_on_the_process_that_runs_it() -> None:
    script = (
        "import structlog; structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50));"
        "from simulation.world import simulate; print(*[simulate(seed).trace for seed in range(5)])"
    )

    other = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout.split() == [simulate(seed).trace for seed in range(5)]
