"""What others wrote, on the way to a terminal; and rows, on the way to a pipe."""

import io
import sys
from typing import Any

import click
import pytest
import typer
from resprout.runtime.cli import plain_text
from resprout.runtime.cli.app import app
from resprout.runtime.cli.queries import print_facts, print_rows
from resprout.runtime.cli.row_lines import row_lines
from support.stack import resprout

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202ered"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_result_is_plain_on_a_terminal_and_as_it_is_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"one\r\n{EVIL}\ttwo 5\u00a0%"
    assert plain_text.for_stdout(text) == text

    monkeypatch.setattr(sys, "stdout", Terminal())

    shown = plain_text.for_stdout(text)
    assert not {"\x1b", "\x07", "\x9b", "\r", "\u202e"} & set(shown)
    assert shown.startswith("one\n")
    assert shown.endswith("\ttwo 5\u00a0%")


def test_nothing_of_rows_and_facts_can_change_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rows(("what",), [(EVIL,)])
    print_facts({"what": EVIL, "more": {"in": EVIL}})

    assert not {"\x1b", "\x07", "\x9b"} & set(capsys.readouterr().out)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    print_rows(("what",), [(EVIL,)])
    assert "]0;pwned" in terminal.getvalue()
    assert "\x1b]" not in terminal.getvalue()


def test_a_row_in_a_pipe_is_a_line_and_long_prose_in_it_moves_no_other_row() -> None:
    prose = "word " * 60
    rows = [("a", prose, "low", "x"), ("bcd", "short\nlines", "", "y")]

    lines = list(row_lines(("name", "what", "danger", "end"), rows))

    assert lines == [
        "name  what         danger  end",
        f"a     {prose.strip()}  low     x",
        "bcd   short lines  -       y",
    ]


def test_a_refusal_of_a_sandbox_is_json_for_who_wants_json() -> None:
    told = resprout("sandbox", "run", "-c", "echo hi", "--timeout", "1000h", "--json")
    said = resprout("sandbox", "run", "-c", "echo hi", "--timeout", "1000h")

    assert (told.returncode, said.returncode) == (2, 2)
    assert '"ended": "refused"' in told.stdout
    assert "is longer than a run may take: give at most 1d" in said.stderr
    assert said.stdout == ""


def _commands(command: Any, path: tuple[str, ...] = ()) -> Any:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


@pytest.mark.parametrize(("path", "command"), list(_commands(typer.main.get_command(app))), ids=str)
def test_no_word_of_the_help_is_taken_for_markup(path: tuple[str, ...], command: click.Command) -> None:
    """In brackets it would not be shown."""
    for one in command.params:
        assert "[" not in (getattr(one, "help", None) or ""), one.name
    assert "[" not in (command.help or "")
