"""A file for each mistake: the two lines at its top say on which line it is found, and what is said."""

from pathlib import Path

import pytest
from resprout.workflows.flow import read

FILES = sorted((Path(__file__).parent / "malformed").glob("*.flow.yaml"))


def test_the_corpus_has_more_than_two_hundred_mistakes() -> None:
    assert len(FILES) > 200


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition(".")[0])
def test_a_mistake_is_found_with_its_line_and_a_fix(file: Path) -> None:
    text = file.read_text()
    line, says = (row.partition(": ")[2] for row in text.splitlines()[:2])

    reading = read(text, file.name)

    assert reading.flow is None
    told = "\n".join(map(str, reading.problems))
    assert any(problem.line == int(line) and says in problem.message for problem in reading.errors), told
    assert all(problem.fix and problem.line and problem.column for problem in reading.problems), told
    assert len(reading.errors) <= 3, told
