"""`resprout run --schedule | --every` and `resprout schedules …`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.flow_tasks import flow_file, step
from support.stack import Stack, eventually

DAILY = ["--schedule", "0 6 * * *"]


@pytest.fixture
def schedule(runs_stack: Stack) -> Iterator[str]:
    """An id; the schedule that gets it is deleted in the end."""
    name = f"s-{uuid4().hex[:10]}"
    yield name
    runs_stack("schedules", "delete", name)


def made(stack: Stack, directory: Path, schedule: str, *words: str) -> dict[str, Any]:
    done = stack("run", str(flow_file(directory, [step("a")])), "--id", schedule, "--json", *words)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def shown(stack: Stack, schedule: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(stack("schedules", "show", schedule, "--json").stdout)
    return told


def test_a_flow_starts_by_a_cron_text(runs_stack: Stack, tmp_path: Path, schedule: str) -> None:
    told = made(runs_stack, tmp_path, schedule, *DAILY, "--jitter", "30s", "--overlap", "buffer")

    assert (told["id"], told["flow"], told["overlap"]) == (schedule, "test", "buffer")
    assert told["when"] == "0 6 * * *, up to 30s later"
    assert all("T06:00:" in moment for moment in told["next"])


def test_a_flow_starts_again_and_again_by_an_interval(runs_stack: Stack, tmp_path: Path, schedule: str) -> None:
    made(runs_stack, tmp_path, schedule, "--every", "1s", "--tag", schedule)

    runs = eventually(lambda: len(found := shown(runs_stack, schedule)["recent"]) >= 2 and found, "two runs")

    assert all(run.startswith(f"{schedule}-") for run in runs)
    watched = runs_stack("runs", "watch", runs[0])
    assert watched.returncode == 0, watched.stderr


def test_a_paused_schedule_starts_nothing_but_what_is_triggered(
    runs_stack: Stack, tmp_path: Path, schedule: str
) -> None:
    made(runs_stack, tmp_path, schedule, *DAILY)

    assert runs_stack("schedules", "pause", schedule, "--reason", "holidays").returncode == 0
    paused = shown(runs_stack, schedule)
    assert runs_stack("schedules", "trigger", schedule).returncode == 0
    eventually(lambda: len(shown(runs_stack, schedule)["recent"]) == 1, "the triggered run")
    assert runs_stack("schedules", "resume", schedule).returncode == 0

    assert (paused["paused"], paused["note"]) == (True, "holidays")
    assert shown(runs_stack, schedule)["paused"] is False


def test_schedules_are_listed_with_their_next_start(runs_stack: Stack, tmp_path: Path, schedule: str) -> None:
    made(runs_stack, tmp_path, schedule, "--every", "90m")

    listed = eventually(
        lambda: [one for one in json.loads(runs_stack("schedules", "list", "--json").stdout) if one["id"] == schedule],
        "the schedule is listed",
    )

    assert (listed[0]["when"], listed[0]["flow"]) == ("every 1h30m", "test")
    assert listed[0]["next"]
    assert "every 1h30m" in runs_stack("schedules", "list").stdout


def test_a_deleted_schedule_is_gone(runs_stack: Stack, tmp_path: Path, schedule: str) -> None:
    made(runs_stack, tmp_path, schedule, *DAILY)

    assert runs_stack("schedules", "delete", schedule).returncode == 0

    again = runs_stack("schedules", "show", schedule)
    assert again.returncode == 2
    assert f"there is no schedule {schedule}" in again.stderr


def test_an_id_is_not_scheduled_twice(runs_stack: Stack, tmp_path: Path, schedule: str) -> None:
    made(runs_stack, tmp_path, schedule, *DAILY)

    again = runs_stack("run", str(flow_file(tmp_path, [step("a")])), "--id", schedule, *DAILY)

    assert again.returncode == 2
    assert f"`resprout schedules delete {schedule} --data-dir" in again.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--schedule", "often"], "`often`"),
        (["--every", "5"], "is not a length of time: write a number with d, h, m, s or ms"),
        (["--every", "5s", "--schedule", "* * * * *"], "give one of them"),
        (["--every", "5s", "--overlap", "skipp"], "one of skip, buffer, allow, cancel"),
        (["--jitter", "5s"], "give --schedule or --every, too"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(
    runs_stack: Stack, tmp_path_factory: pytest.TempPathFactory, words: list[str], sentence: str
) -> None:
    file = flow_file(tmp_path_factory.mktemp("schedules"), [step("a")])

    done = runs_stack("run", str(file), *words)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
