"""Canaries in a sandbox: what the code prints of its secrets is recorded, streamed and given back by reference."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.activities.secrets import Veil
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import SandboxRuns

CANARY = "sandboxed/canary+of the mine"

TELLS = """if True:
    import base64, json, os, sys
    key = os.environ["KEY"]
    print(key, json.dumps([key]), base64.b64encode(f"ada:{key}".encode()).decode())
    print(key, file=sys.stderr)
    open("told.txt", "w").write(key)
    open("told.bin", "wb").write(b"\\xff" + key.encode() * 30_000)
    open(key.replace("/", "") + ".txt", "w").write("named")
"""


class Kept:
    def value(self, name: str) -> str:
        return {"canary": CANARY, "other": CANARY.replace("/", "")}[name]


class Box:
    """Sandboxes that record, with what they kept aside and what was watched."""

    def __init__(self, database: Database) -> None:
        self.aside: list[bytes] = []
        self.seen = b""
        self.database = database
        self.boxes = Sandboxes(
            {"process": ProcessSandbox()}, Kept(), "process", SandboxRuns(database.opened), self._keep
        )

    async def _keep(self, contents: Sequence[bytes]) -> None:
        self.aside += contents

    def watch(self, stream: str, chunk: bytes) -> None:
        self.seen += chunk

    async def recorded(self, key: str) -> str:
        return str(await self.database.pool.fetchval("SELECT result FROM resprout.sandbox_runs WHERE key = $1", key))


@pytest.fixture
def box(database: Database) -> Box:
    return Box(database)


def spec(code: str, **more: object) -> SandboxSpec:
    return SandboxSpec.model_validate({"language": "python", "code": code, **more})


def is_told(said: str) -> bool:
    return any(form in said for form in (CANARY, CANARY[5:-5], base64.b64encode(CANARY.encode()[3:-3]).decode()))


async def test_a_program_that_prints_its_secrets_tells_them_to_nobody(box: Box) -> None:
    key = uuid4().hex
    secrets = {"KEY": "secret://canary", "OTHER": "secret://other"}

    result = await box.boxes.run(spec(TELLS, secrets=secrets, collect=["told.*", "*.txt"]), key, watch=box.watch)

    assert result.is_success, result.stderr.text
    assert result.stdout.text.count("secret://canary") == 3
    assert {file.path: file.text for file in result.files if not file.is_aside} == {
        "told.txt": "secret://canary",
        "secret://other.txt": "named",
    }
    for said in (result.model_dump_json(), await box.recorded(key), box.seen.decode(), box.aside[0].decode("latin-1")):
        assert "secret://canary" in said
        assert not is_told(said)
    assert (await box.boxes.run(spec(TELLS, secrets=secrets, collect=["told.*", "*.txt"]), key)) == result


async def test_a_secret_that_comes_in_pieces_or_is_cut_off_is_seen_by_nobody(box: Box) -> None:
    code = """if True:
        import os, sys, time
        for letter in os.environ["KEY"]:
            sys.stdout.write(letter); sys.stdout.flush(); time.sleep(0.002)
        sys.stdout.write("." * 900 + os.environ["KEY"] * 10)
    """
    limits = {"output": f"{len(CANARY) + 910}B"}

    result = await box.boxes.run(spec(code, secrets={"KEY": "canary"}, limits=limits), uuid4().hex, watch=box.watch)

    assert result.stdout.is_cut
    assert result.stdout.text == "secret://canary" + "." * 900 + "secret://canary"
    assert box.seen.decode() == result.stdout.text


async def test_a_secret_in_the_code_itself_is_hidden_and_not_to_be_guessed_from_the_record(box: Box) -> None:
    veil, key = Veil({"canary": CANARY}), uuid4().hex
    code = f"print({CANARY!r}); raise ValueError({CANARY!r})"

    result = await box.boxes.run(spec(code), key, watch=box.watch, veil=veil)

    assert "ValueError: secret://canary" in result.stderr.text
    assert not is_told(result.model_dump_json() + await box.recorded(key) + box.seen.decode())
    changed = spec(code.replace(CANARY, "hunter22"))
    again = await box.boxes.run(changed, key, veil=Veil({"canary": "hunter22"}))
    assert again == result  # the value is no part of what the key stands for


async def test_where_nothing_is_recorded_it_is_hidden_all_the_same(box: Box) -> None:
    unrecorded = replace(box.boxes, runs=None, keep=None)

    result = await unrecorded.run(spec("import os; print(os.environ)", secrets={"KEY": "canary"}))

    assert json.loads(result.model_dump_json())["stdout"]["text"].count("secret://canary") == 1
    assert not is_told(result.model_dump_json())
