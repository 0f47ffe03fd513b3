"""The suite proves itself: without one of the guards, the invariant that it guards is found violated."""

from collections.abc import Iterator

import pytest
from simulation.database import Switches
from simulation.invariants import Violated, check
from simulation.world import simulate

WITHIN = 1_000  # seeds; the rarest control, of the versions, needs about a hundred and fifty
ROUGH = (0.05, 0.15, 0.25)


def violations(switches: Switches, seeds: int = WITHIN) -> Iterator[str]:
    for seed in range(seeds):
        try:
            check(simulate(seed, switches, ROUGH))
        except Violated as violated:
            yield violated.name


@pytest.mark.parametrize(
    ("switches", "name"),
    [
        (Switches(epochs=False), "epochs"),
        (Switches(marks=False), "once"),
        (Switches(versions=False), "versions"),
        (Switches(outbox=False), "outbox"),
    ],
    ids=["epoch check", "handled mark", "version check", "outbox"],
)
def test_without_the_guard_its_invariant_turns_red(switches: Switches, name: str) -> None:
    assert name in violations(switches)


def test_with_all_guards_none_turns_red() -> None:
    assert next((name for _, name in zip(range(1), violations(Switches(), 300), strict=False)), None) is None
