"""The suite proves itself: without one of the guards, the invariant that it guards is found violated."""

from collections.abc import Iterator

import pytest
from simulation.database import Switches
from simulation.invariants import Violated, check
from simulation.world import simulate

WITHIN = 400  # seeds; each control needs far fewer, the rarest some dozens
ROUGH = (0.15,)


def violations(switches: Switches) -> Iterator[str]:
    for seed in range(WITHIN):
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
    assert next((name for _, name in zip(range(1), violations(Switches()), strict=False)), None) is None
