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


SHOP = """\
from resprout.actors.agent import Agent, on
from resprout.actors.message import Message

print("imported")


class Work(Message, name="shop.work"):
    text: str
    size: int = 1


class Shop(Agent, kind="shop"):
    @on
    async def work(self, message: Work) -> None:
        pass
"""
DOUBTFUL = """\
flow: {name: doubtful}
agents:
  ada: {kind: shpo}
tasks:
  - {id: a, agent: shop/x, ask: shop.wrok}
  - {id: b, agent: shop/x, ask: shop.work, with: {txt: hello}}
  - {id: c, agent: shop/x, ask: greeter.greet, with: {name: x}}
  - {id: d, agent: ada, ask: shop.work}
  - {id: e, agent: "${{ run.id }}/x", ask: shop.work, with: {text: hello}}
  - {id: f, agent: shop/x, ask: shop.work, with: {text: "${{ run.id }}", size: 3}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "resprout.toml").write_text('[agents]\nmodules = ["shop"]\n')
    (tmp_path / "doubtful.flow.yaml").write_text(DOUBTFUL)
    return tmp_path


def test_what_the_agent_modules_do_not_know_is_a_warning_with_its_place(shop: Path) -> None:
    done = resprout("flow", "validate", "doubtful.flow.yaml", "--json", cwd=shop)

    (told,) = json.loads(done.stdout)["files"]
    assert (done.returncode, told["ok"]) == (0, True)
    assert {problem["severity"] for problem in told["problems"]} == {"warning"}
    assert [(one["line"], one["column"], one["message"], one["fix"]) for one in told["problems"]] == [
        (3, 15, "the agent modules know no kind `shpo`", "did you mean `shop`?"),
        (5, 33, "the agent modules know no message type `shop.wrok`", "did you mean `shop.work`?"),
        (6, 51, "`shop.work` has no field `txt`", "did you mean `text`?"),
        (7, 33, "agents of kind `shop` do not handle `greeter.greet`", "they handle shop.work"),
        (8, 30, "the field `text` of `shop.work` is missing", "add with: {text: …}"),
    ]


def test_without_agent_modules_there_is_nothing_to_doubt(shop: Path) -> None:
    (shop / "resprout.toml").unlink()

    done = resprout("flow", "validate", "doubtful.flow.yaml", cwd=shop)

    assert done.stdout == "doubtful.flow.yaml: ok, 6 tasks\n"


def test_tools_and_their_arguments_are_held_against_what_there_is(shop: Path) -> None:
    (shop / "resprout.toml").unlink()
    called = ["http.gett, with: {}", "http.get, with: {urll: x}", "http.get, with: {url: x}"]
    called += ["http.get@7, with: {url: x}", "elsewhere.imported, with: {}"]
    lines = [f"  - {{id: t{n}, tool: {task}}}" for n, task in enumerate(called)]
    (shop / "tools.flow.yaml").write_text("\n".join(["flow: {name: tools}", "tasks:", *lines, ""]))

    done = resprout("flow", "validate", "tools.flow.yaml", "--json", cwd=shop)

    (told,) = json.loads(done.stdout)["files"]
    assert told["ok"]
    assert [(one["line"], one["message"], one["fix"]) for one in told["problems"]] == [
        (3, "there is no tool 'http.gett'", "did you mean `http.get`?"),
        (4, "`http.get` has no argument `urll`", "did you mean `url`?"),
        (6, "no version of http.get is '7'; there are 1.0.0", "see `resprout tool list --all`"),
    ]


def test_the_flows_that_a_flow_starts_are_held_against_the_modules_too(shop: Path) -> None:
    (shop / "parent.flow.yaml").write_text("flow: {name: parent}\ntasks:\n  - {id: c, flow: ./doubtful.flow.yaml}\n")

    done = resprout("flow", "validate", "parent.flow.yaml", cwd=shop)

    assert done.returncode == 0
    assert "doubtful.flow.yaml:5:33: warning: the agent modules know no message type `shop.wrok`" in done.stdout


def test_modules_that_cannot_be_imported_do_not_keep_a_flow_from_being_checked(shop: Path) -> None:
    (shop / "shop.py").write_text("import nothing_of_this_name\n")

    done = resprout("flow", "validate", "doubtful.flow.yaml", cwd=shop)

    assert done.returncode == 0
    assert "what doubtful.flow.yaml says to agents is not checked: `agents.modules` names 'shop'" in done.stderr


def test_run_tells_the_same_warnings_before_it_starts(shop: Path) -> None:
    printed = resprout("run", "doubtful.flow.yaml", "--print-input", cwd=shop)

    assert json.loads(printed.stdout)["flow"]["flow"] == {"name": "doubtful"}
    assert "doubtful.flow.yaml:6:51: warning: `shop.work` has no field `txt`" in printed.stderr


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
    assert (checked.returncode, checked.stdout) == (
        1,
        "would change  good.flow.yaml, first in line 2: see it with --diff\n",
    )
    shown = resprout("flow", "fmt", "--diff", "good.flow.yaml", cwd=folder)
    assert shown.returncode == 1
    assert "--- good.flow.yaml\n+++ good.flow.yaml (formatted)\n" in shown.stdout
    assert "-- ask: a.b # why\n" in shown.stdout
    assert "+    ask: a.b # why\n" in shown.stdout
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


def test_new_refuses_a_template_that_there_is_not_with_the_nearest(tmp_path: Path) -> None:
    near = resprout("flow", "new", "x", "--template", "sga", cwd=tmp_path)
    far = resprout("flow", "new", "x", "--template", "nope", cwd=tmp_path)

    assert (near.returncode, far.returncode) == (2, 2)
    assert near.stderr == "error: --template sga: there is no such template; did you mean `saga`?\n"
    assert "it is one of hello, parallel, approval, loop, condition, saga." in far.stderr


@pytest.mark.parametrize("version", ["1.0", "1.10", "0x10", "7"])
def test_a_number_for_a_text_is_put_into_quotes_as_it_is_written(version: str, tmp_path: Path) -> None:
    (tmp_path / "x.flow.yaml").write_text(GOOD.replace("name: good", f"name: good, version: {version}"))

    done = resprout("flow", "validate", "x.flow.yaml", cwd=tmp_path)

    assert f'fix: write version: "{version}"' in done.stdout


def test_new_refuses_a_name_that_no_flow_can_have(tmp_path: Path) -> None:
    done = resprout("flow", "new", "My Crew", cwd=tmp_path)

    assert done.returncode == 2
    assert "`My Crew` is not a name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_schema_is_json_schema() -> None:
    assert json.loads(resprout("flow", "schema").stdout)["$schema"].startswith("https://json-schema.org/")
