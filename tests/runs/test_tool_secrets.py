"""Canaries: what tools, sandboxes and flows are given by reference is found in no record of theirs.

One test plants them in each way there is, and shows that they arrived; the others look for them, place by place.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.canaries import CANARY, found, found_in_files, found_in_tables
from support.collector import Collector
from support.runs import Run, Runs
from support.stack import Stack, eventually
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType

REFERENCE = "secret://canary"
ARRIVED = hashlib.sha256(CANARY.encode()).hexdigest()

# It shows by a digest that it had the value: what it prints of the value itself is hidden.
PROGRAM = """if True:
    import base64, hashlib, json, os, sys, time
    key = {given}
    print(hashlib.sha256(key.encode()).hexdigest())
    print(key, repr(key), json.dumps(key), base64.b64encode(b"x" + key.encode()).decode(), key.encode().hex())
    print(key, dict(os.environ), file=sys.stderr)
    for piece in (key[:9], key[9:]):
        sys.stdout.write(piece); sys.stdout.flush(); time.sleep({pause})
    open("told.txt", "w").write(key * 20)
    open("told.big", "wb").write(b"\\xff" + key.encode() * 20_000)
"""
BY_STDIN = PROGRAM.format(given="sys.stdin.read()", pause=0)
BY_VARIABLE = PROGRAM.format(given="os.environ['KEY']", pause=1.5)  # so that heartbeats see it half


def tells(how: str, **more: Any) -> dict[str, Any]:
    return {"id": "told", "tool": "world.tells", "with": {"key": "Bearer ${{ env.TOKEN }}", "how": how, **more}}


def boxed(code: str, **more: Any) -> dict[str, Any]:
    return {"id": "box", "sandbox": {"language": "python", "code": code, "secrets": {"KEY": REFERENCE}, **more}}


@dataclass
class Planted:
    runs: Runs
    results: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)  # what commands said
    all: list[Run] = field(default_factory=list)

    async def start(self, *tasks: dict[str, Any]) -> Run:
        run = await self.runs.start(list(tasks), env={"TOKEN": REFERENCE})
        self.all.append(run)
        return run

    async def done(self, name: str, *tasks: dict[str, Any]) -> None:
        self.results[name] = await (await self.start(*tasks)).result()

    async def failed(self, name: str, *tasks: dict[str, Any]) -> None:
        self.failures[name] = await (await self.start(*tasks)).failure()

    async def say(self, *words: str) -> str:
        done = await asyncio.to_thread(self.runs.stack, *words)
        self.shown[" ".join(words)] = done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def granted(runs_stack: Stack) -> Iterator[None]:
    wanted = [(action, "python.run") for action in ("secrets.use:canary", "code.run:python", "files.write:*")]
    wanted += [("secrets.use:canary", "world.tells"), ("secrets.use:canary", "world.guarded")]
    numbers = []
    for action, tool in wanted:
        asked = ("--approve",) if tool == "world.guarded" else ()
        done = runs_stack("policy", "grant", "*", "--action", action, "--tool", tool, *asked)
        assert done.returncode == 0, done.stderr
        numbers.append(done.stdout.split()[1].rstrip(":"))
    yield
    for number in numbers:
        runs_stack("policy", "revoke", number)


async def test_a_secret_that_was_not_granted_is_refused_by_its_name(runs: Runs) -> None:
    failure = await runs.failure([tells("result")], env={"TOKEN": REFERENCE})

    assert "Denied" in failure
    assert "secrets.use" in failure
    assert "canary" in failure


async def test_canaries_are_found_nowhere(runs: Runs, granted: None, collector: Collector, tmp_path: Path) -> None:
    planted = Planted(runs)

    await _plant(planted, tmp_path)
    await _show(planted)

    _assert_that_they_arrived(planted, tmp_path)
    for run in planted.all:
        assert [(run.handle.id, told) async for told in _found_in_history(runs, run)] == []
    assert [told for one in (planted.results, planted.failures, planted.shown) for told in found(_text(one))] == []
    in_tables, filled = await found_in_tables(runs.stack.status()["endpoints"]["postgres.dsn"])
    assert in_tables == []
    assert {f"resprout.{name}" for name in ("effects", "audit", "sandbox_runs", "large_payloads")} <= filled
    assert found_in_files(*(runs.stack.data_dir / name for name in ("logs", "workspaces", "temporal"))) == []
    assert REFERENCE in (runs.stack.data_dir / "logs" / "worker.log").read_text()
    ids = {run.handle.id for run in planted.all}
    eventually(
        lambda: all(any(one.encode() in body for body in collector.received) for one in ids), "spans of all runs"
    )
    assert found(b"\n".join(collector.received)) == []


async def _plant(planted: Planted, directory: Path) -> None:
    watched = await planted.start(boxed(BY_VARIABLE, collect=["told.*"], env={"NOTE": "${{ env.TOKEN }}"}))
    watching = asyncio.create_task(planted.say("runs", "watch", watched.handle.id, "--json"))
    ran = {"id": "ran", "tool": "python.run", "with": {"code": BY_STDIN, "stdin": REFERENCE, "collect": ["told.*"]}}
    guarded = await planted.start(
        {"id": "act", "tool": "world.guarded", "with": {"file": str(directory / "acted"), "line": REFERENCE}}
    )
    await asyncio.gather(
        planted.done("result", tells("result")),
        planted.done("again", tells("unavailable", file=str(directory / "was-there"))),
        planted.done("ran", ran),
        planted.failed("error", tells("error")),
        planted.failed("defect", tells("defect")),
        planted.failed("box", boxed("import os; raise SystemExit('no ' + os.environ['KEY'])")),
        planted.failed("missing", {**tells("result"), "with": {"key": "secret://there-is-none"}}),
        _approve(planted, guarded),
    )
    await watching
    planted.results["watched"] = await watched.result()


async def _approve(planted: Planted, guarded: Run) -> None:
    pending = (await guarded.until(lambda state: state["approvals"]))["approvals"]
    await planted.say("approvals", "show", pending[0]["approval"])
    await planted.say("approvals", "approve", pending[0]["approval"], "--comment", "good")
    await planted.say("approvals", "show", pending[0]["approval"], "--json")
    planted.results["guarded"] = await guarded.result()


async def _show(planted: Planted) -> None:
    history = json.loads(await planted.say("tool", "history", "--limit", "100", "--json"))
    ids = {run.handle.id for run in planted.all}
    for effect in [one for one in history if one["run"] in ids and one["state"] == "failed"]:
        await planted.say("effects", "show", effect["key"], "--json")
    await planted.say("audit", "export")
    for run in planted.all:
        await planted.say("runs", "show", run.handle.id)
    for run in planted.all[:2]:  # a sandbox, and a tool that was asked about
        await planted.say("runs", "history", run.handle.id, "--json")
        await planted.say("runs", "export", run.handle.id)


def _assert_that_they_arrived(planted: Planted, directory: Path) -> None:
    results, failures = planted.results, planted.failures
    assert CANARY in (directory / "acted").read_text()
    assert results["guarded"] == f"wrote {REFERENCE}"
    assert results["result"]["key"] == f"Bearer {REFERENCE}" == results["again"]["key"]
    for name in ("ran", "watched"):
        assert results[name]["stdout"].startswith(f"{ARRIVED}\n{REFERENCE} "), results[name]
        assert results[name]["stdout"].count(REFERENCE) == 6
        assert results[name]["stderr"].count(REFERENCE) >= 1
    assert results["watched"]["files"]["told.txt"] == REFERENCE * 20
    for name in ("error", "defect", "box"):
        assert REFERENCE in failures[name], failures[name]
    assert REFERENCE in planted.shown[f"runs watch {planted.all[0].handle.id} --json"]


async def _found_in_history(runs: Runs, run: Run) -> AsyncIterator[str]:
    history = await run.handle.fetch_history()
    for told in found(history.to_json().encode()):
        yield told
    for event in history.events:
        payloads = list(_payloads(event))
        for payload in await runs.client.data_converter.decode(payloads) if payloads else ():
            for told in found(_text(payload)):
                yield f"{EventType.Name(event.event_type)}: {told}"


def _payloads(message: Any) -> Iterator[Payload]:
    """All there are in it."""
    if isinstance(message, Payload):
        yield message
        return
    for about, value in message.ListFields():
        if about.message_type is None:
            continue
        if about.message_type.GetOptions().map_entry:
            if about.message_type.fields_by_name["value"].message_type is not None:
                for one in value.values():
                    yield from _payloads(one)
        elif about.is_repeated:
            for one in value:
                yield from _payloads(one)
        else:
            yield from _payloads(value)


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode()
