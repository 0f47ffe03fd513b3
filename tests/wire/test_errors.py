"""What a caller catches is what the host raised."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.calls import Caller, Lost
from resprout.actors.envelope import Envelope, Outcome, failed
from resprout.actors.errors import (
    BY_NAME,
    Broken,
    DatabaseLost,
    DeadlinePassed,
    Draining,
    Moved,
    NotRunning,
    OutcomeUnknown,
    Rejected,
    ResproutError,
    Unavailable,
)
from resprout.actors.shards import SHARED, HostSeen, Shard, View, slot_of
from resprout.memory.database import NoConnectionLeft
from resprout.runtime.connections import now
from support.counting import Increment
from support.house import envelope

AGENT = AgentAddress("tally", "a")


class Refusing:
    """A host that answers everything with one error."""

    def __init__(self, error: ResproutError) -> None:
        self.error = error
        self.host = HostSeen(uuid4(), "host", SHARED, "here:1", draining=False, alive=True)

    async def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Outcome:
        return failed(self.error)

    def cancel(self, host: HostSeen, envelope: Envelope) -> None:
        raise AssertionError("nobody here takes anything back")

    async def view(self) -> View:
        shard = Shard(1, SHARED, slot_of(AGENT), 1, self.host.id)
        return View({self.host.id: self.host}, [shard], {})


@pytest.mark.parametrize("kind", [Rejected, Unavailable, OutcomeUnknown, Broken])
async def test_an_error_arrives_as_the_class_that_was_raised(kind: type[ResproutError]) -> None:
    with pytest.raises(kind, match="why") as caught:
        await Caller(Refusing(kind("why")), now).ask(envelope(str(AGENT), Increment(), "ask"))

    assert type(caught.value) is kind


def test_every_error_is_known_by_its_name_in_whichever_room_it_is_defined() -> None:
    assert BY_NAME["NoConnectionLeft"] is NoConnectionLeft
    assert {Rejected, Unavailable, OutcomeUnknown, Broken, Moved, Draining, DatabaseLost, NotRunning} <= set(
        BY_NAME.values()
    )


class Gone(Refusing):
    """A host that is no more, of a stack that is no more."""

    async def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Outcome:
        raise Lost("no connection to the host at here:1", sent=False)

    async def view(self) -> View | None:  # type: ignore[override]
        if self.was_seen:
            return None
        self.was_seen = True
        return await super().view()

    was_seen = False


async def test_who_finds_no_host_any_more_is_asked_to_look_after_the_stack() -> None:
    asked = envelope(str(AGENT), Increment(), "ask", seconds=2)

    with pytest.raises(DeadlinePassed, match=r"is the stack running \(`resprout status`\)"):
        await Caller(Gone(Rejected("")), now).ask(asked)


class Deadly(Refusing):
    """Each message ends its host, and a new one takes its place; whether the turn had begun is told from the second."""

    def __init__(self, *, begins: bool) -> None:
        super().__init__(Rejected(""))
        self.begins = begins
        self.lost = 0

    async def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Outcome:
        self.lost += 1
        self.host = HostSeen(uuid4(), "host", SHARED, "here:1", draining=False, alive=True)
        raise Lost("killed", begun=self.begins and envelope.lost > 0)


@pytest.mark.parametrize(("begins", "hosts"), [(True, "3 hosts .* 2 of them in its turn"), (False, "5 hosts")])
async def test_an_ask_is_given_up_after_two_ends_in_its_turn_or_five_in_all(begins: bool, hosts: str) -> None:
    asked = envelope(str(AGENT), Increment(), "ask")

    with pytest.raises(Broken, match=rf"tally/a did not answer .*{hosts}.*ask again with the same id, {asked.id}"):
        await Caller(Deadly(begins=begins), now).ask(asked)


async def test_an_ask_whose_time_ends_before_says_how_many_hosts_were_lost() -> None:
    asked = envelope(str(AGENT), Increment(), "ask")
    deadly = Deadly(begins=False)

    def clock() -> datetime:
        return now() + timedelta(hours=1) if deadly.lost > 1 else now()

    with pytest.raises(DeadlinePassed, match="2 hosts were lost one after the other while they had it"):
        await Caller(deadly, clock).ask(asked)
