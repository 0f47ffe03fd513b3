import json
import shutil
from pathlib import Path

import pytest
from support.stack import Stack, resprout

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "counter"


@pytest.fixture
def project(own_stack: Stack) -> Path:
    """A developer's directory beside the stack's data."""
    return Path(shutil.copytree(EXAMPLE, own_stack.data_dir.parent / "project"))


def test_an_agent_of_ones_own_counts(own_stack: Stack, project: Path) -> None:
    data = ["--data-dir", str(own_stack.data_dir)]

    up = resprout("up", "--detach", *data, cwd=project)
    assert up.returncode == 0, up.stderr
    asked = [
        resprout("agent", "ask", "counter/apples", "counter.add", "-i", f"amount={n}", "--json", *data, cwd=project)
        for n in (3, 4)
    ]

    assert [json.loads(done.stdout)["body"]["total"] for done in asked] == [3, 7]
    shown = resprout("agent", "show", "counter/apples", "--json", *data, cwd=project)
    assert json.loads(shown.stdout)["state"] == {"total": 7}


IMPOSSIBLE = """

class Impossible(Agent, kind="impossible", hosts=DedicatedHosts(gpus=4)):
    total: int = 0

    @on
    async def add(self, message: Add) -> Total:
        return Total(total=0)
"""


def test_a_kind_for_which_no_node_is_found_keeps_nobody_else_from_working(own_stack: Stack, project: Path) -> None:
    source = (project / "counter.py").read_text().replace("import Agent,", "import Agent, DedicatedHosts,")
    (project / "counter.py").write_text(source + IMPOSSIBLE)
    data = ["--data-dir", str(own_stack.data_dir)]

    up = resprout("up", "--detach", *data, cwd=project)

    assert up.returncode == 0, up.stderr
    asked = resprout("agent", "ask", "counter/a", "counter.add", "-i", "amount=3", "--json", *data, cwd=project)
    assert json.loads(asked.stdout)["body"]["total"] == 3
    refused = resprout(
        "agent", "ask", "impossible/a", "counter.add", "-i", "amount=3", "--timeout", "10", *data, cwd=project
    )
    assert refused.returncode != 0
    assert "no host has impossible/a now" in refused.stderr
    logged = (own_stack.data_dir / "logs" / "hosts.log").read_text()
    assert "no node has what this host needs" in logged
    assert "4 GPUs" in logged


@pytest.mark.parametrize(
    ("content", "modules", "words"),
    [
        ("import nothing_like_it", "counter", ["counter", "ModuleNotFoundError", "nothing_like_it"]),
        ("x = (", "counter", ["counter", "SyntaxError"]),
        ("", "missing_module", ["missing_module", "ModuleNotFoundError"]),
        ("", "not a name", ["agents.modules", "not the name of a Python module"]),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_before_anything_starts(
    own_stack: Stack, project: Path, content: str, modules: str, words: list[str]
) -> None:
    (project / "counter.py").write_text(content)

    done = resprout("up", "--data-dir", str(own_stack.data_dir), "--set", f"agents.modules={modules}", cwd=project)

    assert done.returncode == 2
    assert [word for word in words if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
    assert own_stack.processes() == []
