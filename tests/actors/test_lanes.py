"""How turns that wait are put together into commits."""

import itertools
from typing import Any, cast
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from resprout.actors.activation import Activation
from resprout.actors.envelope import Envelope, Replied
from resprout.actors.lanes import MOST_BYTES, MOST_TURNS, Lane, Pending
from resprout.actors.mailbox import Entry
from resprout.actors.store import Handled
from resprout.actors.turn import Effects

numbers = itertools.count()


def message(size: int = 0) -> Envelope:
    return Envelope(id=UUID(int=next(numbers)), recipient="tally/a", type="test.increment", body="x" * size)


def turn(state: int, sent: int) -> Pending:
    handled = Handled(message(), stored=False, reply=Replied(), effects=Effects(sent=[message(sent)]))
    return Pending(Entry(handled.envelope), handled, "x" * state)


SIZES = st.sampled_from([0, 10, 900_000])
TURNS = st.lists(st.builds(turn, SIZES, SIZES), min_size=1, max_size=20)


def written(turns: list[Pending]) -> int:
    return len(turns[-1].state) + sum(turn.size for turn in turns)


@given(st.lists(TURNS, min_size=1, max_size=6))
def test_a_commit_has_a_bound_in_bytes_and_turns_and_keeps_each_agents_order(agents: list[list[Pending]]) -> None:
    lane = Lane(cast("Any", None), UUID(int=0), lambda: True, cast("Any", None))
    names = [cast("Activation", f"agent {n}") for n in range(len(agents))]
    lane.waiting = dict(zip(names, map(list, agents), strict=True))
    done: dict[Any, list[Pending]] = {name: [] for name in names}

    while lane.waiting:
        batch = lane._next_batch()
        turns = [turn for _, taken in batch for turn in taken]
        assert len(turns) == 1 or sum(written(taken) for _, taken in batch) <= MOST_BYTES
        assert 0 < len(turns) <= MOST_TURNS
        for name, taken in batch:
            done[name] += taken

    assert list(done.values()) == agents
