"""`resprout model`, as a user types it, against a server that speaks OpenAI's protocol in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from resprout.actors.models import Limits
from resprout.memory.budget_book import BudgetBook
from resprout.memory.database import Database
from support.model_server import Turn
from support.stack import Result, resprout

KEY = "sk-canary-4711-very-secret"
SERVER = Path(__file__).resolve().parents[1] / "support" / "openai_server.py"
TURNS: list[dict[str, Any]] = [
    {"text": '{"name": 5}', "when": "Whose number"},
    {"text": '{"name": "ada"}', "when": "Whose name"},
    {"text": "It is five.", "cached_tokens": 60},
]
NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@dataclass
class House:
    port: int
    journal: Path
    directory: Path

    def says(self, *words: str, key: str | None = KEY, dsn: str | None = None) -> Result:
        env = {"RESPROUT_SECRET_HOUSE": key} if key else {}
        ledger = {"RESPROUT_POSTGRES_DSN": dsn} if dsn else {}
        return resprout("model", *words, cwd=self.directory, env={**env, **ledger})

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


async def test_what_is_asked_by_hand_is_on_record_and_in_the_budget_of_a_tenant(
    house: House, dsn: str, database: Database
) -> None:
    await BudgetBook.of(database).set("acme", "day", Limits(tokens=2_000), "user:ada")

    done = house.says("ask", "What is the time?", "--max-tokens", "500", "--tenant", "acme", dsn=dsn)
    refused = house.says("ask", "long " * 1_000, "--tenant", "acme", dsn=dsn)
    usage = json.loads(house.says("usage", "--json", "--by", "tenant", dsn=dsn).stdout)

    assert (done.returncode, done.stdout) == (0, "It is five.\n")
    assert "counted in no budget" not in done.stderr
    assert [(one["name"], one["calls"], one["input_tokens"], one["unsure"]) for one in usage] == [("acme", 1, 100, 0)]
    assert (refused.returncode, len(house.asked)) == (2, 1)
    assert "error: house/able-1 was not asked: the budget of" in refused.stderr


def test_without_a_ledger_it_is_said_that_nothing_is_counted(house: House) -> None:
    done = house.says("ask", "What is the time?")

    assert (done.returncode, done.stdout) == (0, "It is five.\n")
    assert "what is asked is counted in no budget" in done.stderr


def test_an_answer_as_json_has_all_of_the_reply(house: House) -> None:
    (house.directory / "named.json").write_text(json.dumps(NAMED))

    done = house.says("ask", "Whose name?", "--json", "--schema", "named.json", "-m", "house/other")

    reply = json.loads(done.stdout)
    assert (reply["message"]["text"], reply["model"], reply["usage"]["input_tokens"]) == (
        '{"name": "ada"}',
        "house/other",
        Turn().input_tokens,
    )
    assert house.asked[0]["response_format"]["json_schema"]["schema"] == NAMED


@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        ("Whose number?", "`name`: 5 is an integer, not a text."),
        ("What is the time?", "it is not JSON (Expecting value"),
    ],
)
def test_an_answer_that_does_not_fit_its_schema_is_no_success(house: House, question: str, wrong: str) -> None:
    (house.directory / "named.json").write_text(json.dumps(NAMED))

    done = house.says("ask", question, "--schema", "named.json")

    assert done.returncode == 1
    assert f"error: the answer of house/able-1 does not fit --schema: {wrong}" in done.stderr
    assert done.stdout.strip()


def test_a_schema_that_is_none_is_refused_before_anybody_is_asked(house: House) -> None:
    (house.directory / "odd.json").write_text('{"properties": {"name": {"type": "strng"}}}')

    done = house.says("ask", "Whose name?", "--schema", "odd.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--schema odd.json: `properties.name.type`: " in done.stderr
    assert not house.journal.exists()


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


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("models.default=huose/able-1", "`models.default` cannot be asked: there is no provider 'huose': there are "),
        ("models.prices=missing.toml", "missing.toml cannot be read"),
    ],
)
def test_the_list_ends_with_what_cannot_be_used(house: House, setting: str, sentence: str) -> None:
    listed = resprout("--set", setting, "model", "list", cwd=house.directory)

    assert listed.returncode == 2
    assert "house" in listed.stdout
    assert sentence in listed.stderr


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
