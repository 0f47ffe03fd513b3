from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from resprout.runtime.cli.stack import _Progress
from resprout.runtime.cli.stack_view import console, progress, table
from resprout.runtime.stack.state import ServiceState, StackState
from rich.console import Console
from support.stack import resprout


def stack(**service: str) -> StackState:
    return StackState(
        pid=1,
        data_dir=Path("/data"),
        version="1",
        started_at=datetime.now(UTC),
        services=[ServiceState(name="postgres", **{"status": "healthy", **service})],
        settings={},
        ports={},
    )


class Gone(StringIO):
    """What is written to when whoever read it has left."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def write(self, _text: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [OSError, SystemExit])
def test_a_stack_at_whose_start_nobody_looks_any_more_goes_on(error: type[BaseException]) -> None:
    with _Progress(Console(file=Gone(error))) as show:
        show(stack(status="healthy"))
        show(stack(status="restarting"))


BRACKETS = "[/data] is [red]full"


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    ill = stack(status="unhealthy", detail=BRACKETS, endpoint=BRACKETS)

    for shown in (BRACKETS, table(ill), progress(ill)):
        console().print(shown)

        assert BRACKETS in capsys.readouterr().out


def test_brackets_in_the_news_of_a_start_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with _Progress(console()) as show:
        show(stack(status="restarting", detail=BRACKETS))

    assert BRACKETS in capsys.readouterr().out


def test_brackets_in_settings_are_shown_as_they_are() -> None:
    done = resprout("config", "show", "--set", "agents.path=/[/x]")

    assert "/[/x]" in done.stdout, done.stderr
