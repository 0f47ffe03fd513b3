"""What docs/tools.md shows of a tool of one's own is typed and run as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.stack import Stack, clean_environment, resprout

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tools.md").read_text()
OWN = PAGE.split("## A tool of your own")[1].split("## How often")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(own_stack: Stack) -> Path:
    """A developer's directory beside the stack's data."""
    directory = own_stack.data_dir.parent / "project"
    directory.mkdir()
    (directory / "letters.py").write_text(blocks(OWN, "python")[0])
    (directory / "resprout.toml").write_text(blocks(OWN, "toml")[0])
    (count,) = [one for one in blocks(PAGE.split("## A tool of your own")[0], "python") if "call_tool" in one]
    (directory / "count.py").write_text(count)
    return directory


def test_the_page_runs(own_stack: Stack, project: Path) -> None:
    env = {"RESPROUT_DATA_DIR": str(own_stack.data_dir)}
    lines = [shlex.split(line) for line in blocks(OWN, "shell")[0].splitlines()]

    done = [resprout(*words[1:], env=env, cwd=project) for words in lines]
    counted = subprocess.run(
        [sys.executable, "count.py"], cwd=project, env={**clean_environment(), **env}, capture_output=True, text=True
    )
    elsewhere = resprout("tool", "call", "letters.send", "-a", "to=bob", "-a", "text=hi", env=env)

    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert "module:letters" in done[1].stdout
    assert re.match(r"out/[0-9a-f-]{36}\.txt", done[2].stdout)
    (letter,) = own_stack.data_dir.glob("workspaces/*/out/*.txt")
    assert letter.read_text() == "To: ada@example.org\n\ngood news\n"
    assert "'bob' is no address" in elsewhere.stderr  # by the tool itself, though this command has not its code
    assert counted.returncode == 0, counted.stderr
    assert "2" in counted.stdout
