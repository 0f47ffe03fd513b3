"""The examples of the page on flows, and those of `examples/flows`, are right."""

import re
from pathlib import Path

import pytest
from resprout.workflows.flow import read
from resprout.workflows.flow.formatting import formatted
from resprout.workflows.flow.functions import KNOWN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "flows.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[1].strip())
def test_an_example_of_the_page_is_right(block: str) -> None:
    text = block if "flow:\n  name" in block else f"flow: {{name: page}}\n{block}"

    assert [str(problem) for problem in read(text, "flows.md").problems] == []


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "flows").rglob("*.flow.yaml")), ids=lambda file: file.name)
def test_an_example_is_right_and_formatted(file: Path) -> None:
    text = file.read_text()

    assert [str(problem) for problem in read(text, file.name).problems] == []
    assert formatted(text, file.name) == text


def test_the_page_names_every_function() -> None:
    section = PAGE.partition("**Functions.**")[2].partition("What surprises people")[0]
    named = set(re.findall(r"`([\w.]+)`", section))
    left_to_the_eye = {name for name in KNOWN if name.startswith(("get", "math.bit", "math.is"))} | {
        "bytes",
        "dyn",
        "uint",
    }

    assert named - {"map"} <= KNOWN
    assert KNOWN - left_to_the_eye <= named
