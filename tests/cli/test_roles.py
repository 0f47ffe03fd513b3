"""`resprout role …` and `resprout team …`, from outside; nothing of it needs a stack."""

import json
from pathlib import Path

import pytest
from resprout.workflows.flow import read
from support.stack import resprout

DOUBTFUL = """\
flow: {name: doubtful}
agents:
  a: {role: reseacher}
  b: {role: critic, variables: {moste: 3, most: 2}}
  c: {role: editor}
tasks:
  - {id: x, agent: a, goal: go}
  - {id: y, agent: b, goal: go}
  - {id: z, agent: c, goal: go}
"""


def test_roles_are_listed_and_shown(tmp_path: Path) -> None:
    listed = json.loads(resprout("role", "list", "--json", cwd=tmp_path).stdout)
    shown = resprout("role", "show", "critic", "--variable", "most=3", cwd=tmp_path).stdout
    told = json.loads(resprout("role", "show", "coder", "--json", cwd=tmp_path).stdout)

    assert {one["from"] for one in listed} == {"ships"}
    assert "critic" in {one["role"] for one in listed}
    assert "Name at most 3 points" in shown
    assert "direct and fair" in shown
    assert (told["role"], told["max_iterations"], "files.read" in told["tools"]) == ("coder", 60, True)


def test_a_new_role_is_found_where_the_settings_say_and_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "resprout.toml").write_text('[roles]\ndir = "mine"\n')
    (tmp_path / "mine").mkdir()

    made = resprout("role", "new", "product-support", cwd=tmp_path)
    again = resprout("role", "new", "product-support", cwd=tmp_path)
    shown = resprout("role", "show", "product-support", cwd=tmp_path)

    assert "wrote " in made.stdout
    assert "roles.dir" not in made.stdout  # it is there already
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert str(tmp_path / "mine" / "product-support.role.yaml") in shown.stdout


def test_a_new_role_outside_says_what_to_set(tmp_path: Path) -> None:
    done = resprout("role", "new", "mine", cwd=tmp_path)

    assert f"the setting `roles.dir` is {tmp_path}" in done.stdout


def test_a_broken_role_is_told_with_its_places_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "bad.role.yaml").write_text("role: bad\nprompt: x\n")
    where = ("--set", f"roles.dir={tmp_path}")

    shown = resprout("role", "show", "bad", *where, cwd=tmp_path)
    listed = resprout("role", "list", "--json", *where, cwd=tmp_path)

    assert shown.returncode == 1
    assert "bad.role.yaml:2:1: unknown word `prompt`" in shown.stdout
    assert "bad.role.yaml:2:1" in listed.stderr
    assert len(json.loads(listed.stdout)) >= 15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("role", "show", "reseacher"), "there is no role `reseacher`: did you mean `researcher`?"),
        (("role", "show", "critic", "--variable", "mst=1"), "has no variable `mst`: did you mean `most`?"),
        (("role", "new", "Bad Name"), "write `bad-name`"),
        (("role", "list", "--set", "roles.dir=nowhere"), "which is no directory: create it, or leave it out"),
        (("team", "show", "debat"), "there is no team `debat`: did you mean `debate`?"),
        (("team", "new", "x", "--from", "debat"), "did you mean `debate`?"),
        (("flow", "validate", "team/debat"), "did you mean `debate`?"),
        (("run", "team/debat"), "did you mean `debate`?"),
    ],
)
def test_a_mistake_is_one_sentence_with_what_to_do(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = resprout(*words, cwd=tmp_path)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_teams_are_listed_shown_checked_and_drawn_by_name(tmp_path: Path) -> None:
    listed = json.loads(resprout("team", "list", "--json", cwd=tmp_path).stdout)
    shown = resprout("team", "show", "debate", cwd=tmp_path).stdout
    checked = resprout("flow", "validate", "team/debate", cwd=tmp_path)
    drawn = resprout("flow", "graph", "team/debate", cwd=tmp_path).stdout

    assert [one["team"] for one in listed] == ["debate", "map-reduce", "pipeline", "round-robin", "supervisor"]
    assert {"goal", "members"} <= set(listed[0]["inputs"])
    assert drawn.startswith("flowchart TD")
    assert drawn in shown
    assert checked.returncode == 0
    assert "warning" not in checked.stdout


def test_a_team_of_ones_own_begins_as_one_that_ships(tmp_path: Path) -> None:
    made = resprout("team", "new", "release-crew", "--from", "map-reduce", cwd=tmp_path)
    again = resprout("team", "new", "release-crew", cwd=tmp_path)

    text = (tmp_path / "release-crew.flow.yaml").read_text()
    flow = read(text, "release-crew.flow.yaml").flow
    assert made.returncode == 0
    assert flow is not None
    assert (flow.name, "parts" in flow.inputs) == ("release-crew", True)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)


def test_roles_and_variables_that_are_not_known_here_are_warnings_with_their_places(tmp_path: Path) -> None:
    (tmp_path / "doubtful.flow.yaml").write_text(DOUBTFUL)

    done = resprout("flow", "validate", "doubtful.flow.yaml", "--json", cwd=tmp_path)

    (told,) = json.loads(done.stdout)["files"]
    assert (done.returncode, told["ok"]) == (0, True)
    assert [(one["line"], one["column"], one["message"], one["fix"]) for one in told["problems"]] == [
        (3, 13, "there is no role `reseacher`", "did you mean `researcher`?"),
        (4, 33, "the role `critic` has no variable `moste`", "did you mean `most`?"),
    ]


def test_a_flow_that_starts_a_team_is_held_against_its_inputs(tmp_path: Path) -> None:
    tasks = "tasks:\n  - {id: a, flow: team/debate, with: {gol: x}}\n  - {id: b, flow: team/debat, with: {goal: x}}\n"
    (tmp_path / "outer.flow.yaml").write_text(f"flow: {{name: outer}}\n{tasks}")

    said = resprout("flow", "validate", "outer.flow.yaml", cwd=tmp_path).stdout

    assert "outer.flow.yaml:3:" in said
    assert "`debate` has no input `gol`" in said
    assert "the input `goal` of `debate` is missing" in said
    assert "there is no team `debat`" in said
    assert "did you mean `debate`?" in said
