"""What one caller can do to a host and to other callers: nothing that is not bounded."""

import asyncio

import pytest
from resprout.actors.envelope import ENVELOPES as ENVELOPE_LIST
from resprout.actors.envelope import Replied
from resprout.actors.errors import AgentFailed
from resprout.runtime import host_server
from resprout.runtime.wire import ENVELOPES, HEAD, HELLO, frame
from support.counting import Increment, Log, Mislead
from support.house import envelope
from support.waiting import until
from support.wired import SECRET, Wired

MEGABYTE = "x" * 900_000


async def test_more_than_a_frame_holds_is_asked_and_answered_at_once(wired: Wired) -> None:
    asks = [wired.caller.ask(envelope(f"flash/{n}", Log(word=MEGABYTE), "ask")) for n in range(70)]

    outcomes = await asyncio.gather(*asks)

    assert all(len(outcome.body or "") > len(MEGABYTE) for outcome in outcomes)


async def test_an_error_text_that_is_no_utf8_arrives_and_costs_nobody_else_an_outcome(wired: Wired) -> None:
    asks = [wired.caller.ask(envelope(f"tally/{n}", Increment(), "ask")) for n in range(5)]
    asks.append(wired.caller.ask(envelope("tally/a", Mislead(), "ask")))

    *good, bad = await asyncio.gather(*asks, return_exceptions=True)

    assert [type(outcome) for outcome in good] == [Replied] * 5
    assert isinstance(bad, AgentFailed)
    assert r"no file \udcff here" in str(bad)


async def test_a_stranger_with_a_large_frame_is_cut_off_at_its_head(wired: Wired) -> None:
    _, writer = await wired.stranger()
    await until(lambda: wired.server.connections)

    writer.write(HEAD.pack(60_000_000, HELLO))

    await _gone(wired)
    writer.close()


async def test_a_stranger_who_says_nothing_is_cut_off(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_server, "HELLO_SECONDS", 0.1)

    _, writer = await wired.stranger()

    await _gone(wired)
    writer.close()


async def test_a_caller_that_does_not_read_is_not_read_either(wired: Wired) -> None:
    _, writer = await wired.stranger(limit=1024)
    writer.write(frame(HELLO, SECRET.encode()))
    for n in range(100):
        said = (n, envelope("flash/a", Log(word=MEGABYTE), "ask"))
        writer.write(frame(ENVELOPES, ENVELOPE_LIST.dump_json([said])))

    async with asyncio.timeout(20):
        await until(lambda: wired.server.connections and (not wired.of_host().reading))
        await until(lambda: not wired.of_host().unanswered)

    connection = wired.of_host()
    assert connection.unread
    assert connection.transport.get_write_buffer_size() < 20_000_000
    writer.transport.abort()


async def test_a_caller_that_leaves_its_outcomes_unread_is_cut_off(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_server, "MOST_UNREAD_BYTES", 3_000_000)
    _, writer = await wired.stranger(limit=1024)
    writer.write(frame(HELLO, SECRET.encode()))
    await _known(wired)
    for n in range(50):
        wired.of_host()._outcome(n, 0, Replied(type="test.words", body=MEGABYTE))

    await _gone(wired)

    writer.transport.abort()


async def _known(wired: Wired) -> None:
    await until(lambda: wired.server.connections and wired.of_host().known)


async def _gone(wired: Wired) -> None:
    await until(lambda: not wired.server.connections)
