"""The servers as processes, as tests of kills use them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from resprout.activities.models.provider import Provider
from resprout.actors.models import FromTool, FromUser, complete
from support.speakers import PROTOCOLS, Protocol, request, tool

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SCRIPT = [
    {"uses": [{"name": "text.count", "arguments": {"text": "a"}}]},
    {"text": "One."},
    {"text": "Ahoy.", "when": "You are a pirate."},
]


@contextmanager
def serving(protocol: Protocol, directory: Path) -> Iterator[int]:
    (directory / "script").write_text(json.dumps(SCRIPT))
    server = SUPPORT / f"{protocol.provider}_server.py"
    command = [sys.executable, str(server), "0", str(directory / "journal"), str(directory / "script")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
async def test_what_is_asked_twice_is_answered_alike_and_journaled_twice(protocol: Protocol, tmp_path: Path) -> None:
    with serving(protocol, tmp_path) as port:
        model = protocol.adapter(Provider("house", f"http://127.0.0.1:{port}{protocol.path}", "key"))
        begun = request("house/able-1", "Count.", tools=[tool("text.count")])
        first, again = [await complete(model, begun) for _ in range(2)]
        answer = FromTool(use=first.message.uses[0].id, text="1")
        going_on = begun.model_copy(update={"messages": (FromUser(text="Count."), first.message, answer)})
        last = await complete(model, going_on)
        await model.close()

    assert first == again
    assert first.message.uses[0].name == "text.count"
    assert last.message.text == "One."
    assert len((tmp_path / "journal").read_text().splitlines()) == 3
