"""`resprout model`, as a user types it, against a server that speaks OpenAI's protocol in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.model_server import Turn
from support.stack import Result, resprout

KEY = "sk-canary-4711-very-secret"
SERVER = Path(__file__).resolve().parents[1] / "support" / "openai_server.py"
TURNS: list[dict[str, Any]] = [{"text": "It is five.", "cached_tokens": 60}]


@dataclass
class House:
    port: int
    journal: Path
    directory: Path

    def says(self, *words: str, key: str | None = KEY) -> Result:
        env = {"RESPROUT_SECRET_HOUSE": key} if key else {}
        return resprout("model", *words, cwd=self.directory, env=env)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line)["body"] for line in self.journal.read_text().splitlines()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "script.json").write_text(json.dumps(TURNS))
    journal = tmp_path / "journal"
    command = [sys.executable, str(SERVER), "0", str(journal), str(tmp_path / "script.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        (tmp_path / "resprout.toml").write_text(
            f'[models]\ndefault = "house/able-1"\n[models.providers.house]\n'
            f'base_url = "http://127.0.0.1:{port}/v1"\nkey = "secret://house"\nat_once = 3\n'
        )
        try:
            yield House(port, journal, tmp_path)
        finally:
            process.kill()


def test_a_question_is_answered_and_what_it_cost_is_told_beside_it(house: House) -> None:
    done = house.says("ask", "What is the time?", "--system", "Be brief.", "--max-tokens", "50")

    assert (done.returncode, done.stdout) == (0, "It is five.\n")
    assert "house/able-1: 100 tokens in (60 from the cache), 20 out" in done.stderr
    (body,) = house.asked
    assert [one["content"] for one in body["messages"]] == ["Be brief.", "What is the time?"]
    assert body["max_tokens"] == 50


def test_an_answer_as_json_has_all_of_the_reply(house: House) -> None:
    (house.directory / "time.json").write_text('{"type": "object", "properties": {}}')

    done = house.says("ask", "What is the time?", "--json", "--schema", "time.json", "-m", "house/other")

    reply = json.loads(done.stdout)
    assert (reply["message"]["text"], reply["model"], reply["usage"]["input_tokens"]) == (
        "It is five.",
        "house/other",
        Turn().input_tokens,
    )
    assert house.asked[0]["response_format"]["json_schema"]["schema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("words", "key", "code", "sentence"),
    [
        (
            ("ask", "x"),
            None,
            2,
            "error: house has no key: set RESPROUT_SECRET_HOUSE to a key of house where hosts run.",
        ),
        (("ask", "x", "-m", "huose/y"), KEY, 2, "Did you mean house?"),
        (("ask", "x", "-m", "local"), KEY, 2, "Start a stack with `resprout up`"),
        (("ask", "x", "--schema", "none.json"), KEY, 2, "--schema none.json cannot be read"),
        (("ask", " "), KEY, 2, "error: there is nothing to ask"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    house: House, words: tuple[str, ...], key: str | None, code: int, sentence: str
) -> None:
    done = house.says(*words, key=key)

    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_list_says_which_keys_are_there_and_shows_none(house: House) -> None:
    listed = house.says("list")
    told = json.loads(house.says("list", "--json").stdout)

    providers = {one["provider"]: one for one in told["providers"]}
    assert told["default"] == ["house/able-1"]
    assert (providers["house"]["has_key"], providers["house"]["at_once"]) == (True, 3)
    assert providers["openai"]["has_key"] is False
    assert "missing: set RESPROUT_SECRET_OPENAI" in listed.stdout
    assert KEY not in listed.stdout + listed.stderr + json.dumps(told)
    shown = resprout("config", "show", cwd=house.directory, env={"RESPROUT_SECRET_HOUSE": KEY})
    assert "models.providers.house.key" in shown.stdout
    assert KEY not in shown.stdout
