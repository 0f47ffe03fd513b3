from datetime import UTC, datetime

from resprout.activities.contracts import OutputTail, SandboxProgress
from resprout.activities.run_sandbox import SHOWN, Progress
from resprout.actors.errors import NotRunning
from resprout.runtime.output_lines import OutputLines
from resprout.runtime.run_rows import RunRow
from resprout.runtime.run_watch import BETWEEN_LOOKS, LONGEST_PAUSE, View, pause_after
from resprout.runtime.runs import FLOW


def told(text: str, end: int | None = None) -> SandboxProgress:
    tail = OutputTail(text=text, end=len(text) if end is None else end)
    return SandboxProgress(task="box", stdout=tail, stderr=OutputTail(text="", end=0))


def lines(shown: OutputLines, progress: SandboxProgress) -> list[str]:
    return [line for _, line in shown.fresh(progress)]


def test_each_line_is_told_once_and_when_it_is_whole() -> None:
    shown = OutputLines()

    assert lines(shown, told("one\ntw")) == ["one"]
    assert lines(shown, told("one\ntw")) == []
    assert lines(shown, told("one\ntwo\nthr")) == ["two"]
    assert list(shown.rest()) == [("stdout", "thr")]
    assert list(shown.rest()) == []


def test_what_was_missed_between_two_looks_is_marked() -> None:
    shown = OutputLines()
    lines(shown, told("one\n"))

    assert lines(shown, told("last\n", end=5_000)) == ["…", "last"]


def test_a_worker_that_comes_back_from_the_beginning_repeats_nothing() -> None:
    shown = OutputLines()
    lines(shown, told("one\ntwo\n"))

    assert lines(shown, told("one\n")) == []
    assert lines(shown, told("one\ntwo\nthree\n")) == ["three"]


def test_nothing_written_inside_can_change_the_terminal() -> None:
    assert lines(OutputLines(), told("\x1b[2Jred\x07\tand \u202egreen\r\n")) == ["�[2Jred�\tand �green"]


def test_heartbeats_carry_the_end_of_each_stream_and_where_it_stands() -> None:
    progress = Progress("box")
    progress.watch("stdout", "ä".encode()[:1])
    progress.watch("stdout", "ä".encode()[1:] + b"x" * 3_000)
    progress.watch("stderr", b"err")

    said = progress.told()
    assert (len(said.stdout.text), said.stdout.end) == (SHOWN, 3_001)
    assert (said.stderr.text, said.stderr.end) == ("err", 3)


def test_a_worker_that_was_killed_does_not_hold_up_the_looks_after_it() -> None:
    row = RunRow("r", "1", "running", "f", None, "default", (), datetime.now(UTC), None, None, FLOW)
    nobody_answers = View(row, silence=NotRunning("no worker answers for r within 10 s"))

    assert pause_after(nobody_answers, 10) == BETWEEN_LOOKS
    assert pause_after(View(row), 10) == LONGEST_PAUSE
    assert pause_after(View(row), 1) == 5
