"""Work in a process of its own: what bounds it, and what it sees of ours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.bounded.process import Refused, bounded
from support import bounded_work


def test_it_gives_what_the_function_gives() -> None:
    assert bounded(bounded_work.echo, [1, "ü", None], {"a": 2.5}) == [[1, "ü", None], {"a": 2.5}]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (bounded_work.refuse, "^no, because of this$"),
        (bounded_work.spin, "longer than 1 s of processor time: give it less to do"),
        (bounded_work.fill_memory, "more than 256 MB of memory: give it less to do"),
        (bounded_work.answer_at_length, "larger than 8 MB: ask for less of it"),
        (bounded_work.nest, "nested too deep"),
        (bounded_work.give_no_number, "no result that can be written as JSON"),
        (bounded_work.end_the_process, "it ended its process"),
    ],
)
def test_what_it_may_not_is_refused_in_a_sentence(work: Callable[[], Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        bounded(work, seconds=1, memory=256 << 20)


def test_it_sees_no_secret_writes_no_file_and_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPROUT_SECRET_CANARY", "canary")
    allowed = bounded(bounded_work.try_to_get_out, str(tmp_path / "file"))

    assert "RESPROUT_SECRET_CANARY" not in allowed["environment"]
    assert allowed["wrote"] is False
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size == 0
    # The kernel does not count the processes of root.
    assert allowed["forked"] is (os.geteuid() == 0)
