import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from resprout.runtime.cli.flow_new import Template
from support.stack import resprout

GOOD = """\
flow: {name: good}
tasks:
  - {id: a, agent: greeter/x, ask: a.b}
  - {id: b, agent: greeter/x, ask: a.b, with: {x: "${{ tasks.a.output }}"}}
"""
BAD = GOOD.replace("tasks.a.output", "tasks.c.output").replace("good", "bad")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.flow.yaml").write_text(GOOD)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "bad.flow.yaml").write_text(BAD)
    return tmp_path


def test_validate_names_the_place_the_text_and_the_fix(folder: Path) -> None:
    done = resprout("flow", "validate", "good.flow.yaml", "inner", cwd=folder)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "good.flow.yaml: ok, 2 tasks",
        "inner/bad.flow.yaml:4:56: there is no task `c`",
        '      - {id: b, agent: greeter/x, ask: a.b, with: {x: "${{ tasks.c.output }}"}}',
        "                                                           ^",
        "    fix: the tasks are a, b",
    ]
    assert done.stderr == ""


def test_validate_tells_programs_the_same(folder: Path) -> None:
    done = resprout("flow", "validate", ".", "--json", cwd=folder)

    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    assert [entry["ok"] for entry in told["files"]] == [True, False]
    (problem,) = told["files"][1]["problems"]
    assert (problem["line"], problem["column"], problem["severity"]) == (4, 56, "error")
    assert problem["path"] == "tasks[1].with.x"


def test_validate_takes_patterns_and_refuses_what_is_not_there(folder: Path) -> None:
    assert resprout("flow", "validate", "*.flow.yaml", cwd=folder).returncode == 0

    missing = resprout("flow", "validate", "nope.flow.yaml", cwd=folder)

    assert missing.returncode == 2
    assert missing.stderr.startswith("error: there is no file nope.flow.yaml")


def test_a_file_that_is_no_text_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.flow.yaml").write_bytes(b"flow: \xff\xfe")

    for command in ("validate", "fmt", "graph"):
        done = resprout("flow", command, "x.flow.yaml", cwd=tmp_path)

        assert done.returncode in {1, 2}, command
        assert "is not UTF-8 text" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_graph_draws_mermaid_and_svg(folder: Path) -> None:
    drawn = resprout("flow", "graph", "good.flow.yaml", cwd=folder)
    image = resprout("flow", "graph", "good.flow.yaml", "--format", "svg", "-o", "good.svg", cwd=folder)

    assert "t_a --> t_b" in drawn.stdout
    assert (image.returncode, image.stdout) == (0, "")
    ElementTree.fromstring((folder / "good.svg").read_text())


def test_graph_of_a_bad_file_tells_its_problems(folder: Path) -> None:
    done = resprout("flow", "graph", "inner/bad.flow.yaml", cwd=folder)

    assert done.returncode == 1
    assert "there is no task `c`" in done.stdout


def test_fmt_checks_before_it_writes(folder: Path) -> None:
    file = folder / "good.flow.yaml"
    file.write_text("# mine\ntasks:\n- ask: a.b # why\n  agent: greeter/x\nflow: {name: good}\n")

    checked = resprout("flow", "fmt", "--check", "good.flow.yaml", cwd=folder)
    assert (checked.returncode, checked.stdout) == (1, "would change  good.flow.yaml\n")
    assert resprout("flow", "fmt", "good.flow.yaml", cwd=folder).returncode == 0

    assert file.read_text() == "# mine\nflow: {name: good}\ntasks:\n  - agent: greeter/x\n    ask: a.b # why\n"
    assert resprout("flow", "fmt", "--check", "good.flow.yaml", cwd=folder).returncode == 0


@pytest.mark.parametrize("template", list(Template))
def test_new_writes_a_flow_that_is_right_and_never_overwrites(template: Template, tmp_path: Path) -> None:
    assert resprout("flow", "new", "my-crew", "--template", template.value, cwd=tmp_path).returncode == 0
    assert resprout("flow", "validate", "my-crew.flow.yaml", cwd=tmp_path).returncode == 0

    again = resprout("flow", "new", "my-crew", cwd=tmp_path)

    assert again.returncode == 2
    assert "my-crew.flow.yaml exists already" in again.stderr


def test_new_refuses_a_name_that_no_flow_can_have(tmp_path: Path) -> None:
    done = resprout("flow", "new", "My Crew", cwd=tmp_path)

    assert done.returncode == 2
    assert "`My Crew` is not a name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_schema_is_json_schema() -> None:
    assert json.loads(resprout("flow", "schema").stdout)["$schema"].startswith("https://json-schema.org/")
