"""What docs/agents.md shows is typed and run as it stands there, by a developer with a directory of their own."""

import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.stack import Stack, clean_environment, eventually, resprout

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "agents.md").read_text()
AGENTS, OUTSIDE = PAGE.split("## From outside: Python")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = "".join(blocks(text, "bash")).splitlines()
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """shop.py, its settings, and buy.py, in which the page's calls from outside stand one after the other."""
    (tmp_path / "shop.py").write_text("\n\n".join(blocks(AGENTS, "python")))
    (settings,) = blocks(AGENTS, "toml")
    (tmp_path / "resprout.toml").write_text(settings)
    with_loop, without = blocks(OUTSIDE, "python")
    (tmp_path / "buy.py").write_text(f"import asyncio\n{with_loop}\n\nasyncio.run(buy())\n{without}")
    return tmp_path


def test_the_page_is_well_typed(project: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "shop.py", "buy.py"]

    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_runs(own_stack: Stack, project: Path) -> None:
    env = {"RESPROUT_DATA_DIR": str(own_stack.data_dir)}

    def works(*words: str) -> bool:
        done = resprout(*words, env=env, cwd=project)
        assert "Traceback" not in done.stderr
        return done.returncode == 0

    for words in commands(AGENTS):  # what is told arrives a moment later
        eventually(partial(works, *words), shlex.join(words))
    bought = subprocess.run(
        [sys.executable, "buy.py"],
        cwd=project,
        env={**clean_environment(), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    for words in commands(OUTSIDE):
        eventually(partial(works, *words), shlex.join(words))

    assert bought.returncode == 0, bought.stderr
    assert bought.stdout == "total=3\n"  # of the last check-out; and not a line of ours
    paid = resprout("agent", "ask", "reporter/a", "report.make", "-i", "month=may", "--json", env=env, cwd=project)
    assert '"total": 1' in paid.stdout
