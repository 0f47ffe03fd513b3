"""Roles: those that ship, those of one's own, their variables, and what is told of files that are wrong."""

from pathlib import Path

import pytest
from resprout.activities.settle import MAX_TOKENS, offers_of
from resprout.actors.brain.messages import Setting
from resprout.actors.brain.room import room_of
from resprout.actors.errors import ConfigError
from resprout.runtime.known_tools import known_tools
from resprout.runtime.model_settings import LocalModelSettings
from resprout.runtime.roles import SHIPPED, BadRole, Roles, UnknownRole
from resprout.workflows.role_file import RoleFile, UnknownVariable, holes, read_role

LONGEST_PROMPT = 1_500  # characters: it is before every call of the model
SHIPPED_ROLES = sorted(Roles().files())
GREETER = """\
role: greeter
description: greets
variables:
  tone: {description: how it speaks, default: kind}
  times: {description: how often, default: 2}
system: |
  Greet {{times}} times, in a {{ tone }} way. Jinja's {{ 'braces' }} stay.
"""


def role_of(text: str, file: str = "greeter.role.yaml") -> RoleFile:
    reading = read_role(text, file)
    assert reading.role is not None, "\n".join(map(str, reading.problems))
    return reading.role


def said(text: str, file: str = "greeter.role.yaml") -> str:
    reading = read_role(text, file)
    assert reading.role is None
    return "\n".join(map(str, reading.problems))


def test_there_is_a_library() -> None:
    assert len(SHIPPED_ROLES) >= 15
    assert {"researcher", "judge", "supervisor", "editor", "planner"} <= set(SHIPPED_ROLES)


@pytest.mark.parametrize("name", SHIPPED_ROLES)
def test_a_role_that_ships_reads_fits_and_has_tools_that_there_are(name: str) -> None:
    toolbox = known_tools(None)

    role = Roles()(name, {})
    offers = offers_of(toolbox.find(reference) for reference in role.tools)

    assert (role.role, role.model) == (name, None)
    assert len(offers) == len(role.tools) == len(set(role.tools))
    assert 200 < len(role.system) < LONGEST_PROMPT
    assert not list(holes(role.system))


@pytest.mark.parametrize("name", SHIPPED_ROLES)
def test_a_role_that_ships_leaves_the_bundled_model_room_to_talk(name: str) -> None:
    toolbox, role = known_tools(None), Roles()(name, {})
    offers = offers_of(toolbox.find(reference) for reference in role.tools)
    setting = Setting(model="local", system=role.system, offers=offers, max_tokens=role.max_tokens or MAX_TOKENS)

    room = room_of(setting, LocalModelSettings().window)

    assert room.tokens > room.window // 4


def test_variables_are_put_in_and_have_defaults() -> None:
    role = role_of(GREETER)

    assert role.filled({}).system.startswith("Greet 2 times, in a kind way. Jinja's {{ 'braces' }} stay.")
    assert role.filled({"tone": "dry", "times": 3.0}).system.startswith("Greet 3 times, in a dry way.")


def test_a_value_is_never_looked_through_for_variables() -> None:
    assert "in a {{times}} way" in role_of(GREETER).filled({"tone": "{{times}}"}).system


def test_a_variable_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownVariable, match=r"the role `greeter` has no variable `tne`: did you mean `tone`\?"):
        role_of(GREETER).filled({"tne": "dry"})
    with pytest.raises(UnknownVariable, match="its variables are tone, times"):
        role_of(GREETER).filled({"xyz": 1})


def test_a_role_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownRole, match=r"there is no role `reseacher`: did you mean `researcher`\?"):
        Roles().find("reseacher")
    with pytest.raises(UnknownRole, match="see `resprout role list`"):
        Roles().find("../../../etc/passwd")


def test_a_role_of_ones_own_takes_the_place_of_one_that_ships(tmp_path: Path) -> None:
    (tmp_path / "editor.role.yaml").write_text("role: editor\ndescription: mine\nsystem: You edit.\n")
    (tmp_path / "greeter.role.yaml").write_text(GREETER)
    roles = Roles(tmp_path)

    assert roles.find("editor").description == "mine"
    assert (roles.is_shipped("editor"), roles.is_shipped("writer")) == (False, True)
    assert list(roles.files()) == sorted([*SHIPPED_ROLES, "greeter"])


def test_a_change_of_a_file_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "greeter.role.yaml"
    file.write_text(GREETER)
    roles = Roles(tmp_path)
    before = roles.find("greeter")

    file.write_text(GREETER.replace("default: 2", "default: 5"))

    assert (before.variables["times"].default, roles.find("greeter").variables["times"].default) == (2, 5)


def test_a_directory_that_there_is_not_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`roles.dir` names .*nowhere, which is no directory"):
        Roles(tmp_path / "nowhere").find("editor")


def test_a_file_with_mistakes_is_refused_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "greeter.role.yaml").write_text(GREETER.replace("description: greets", "descripton: greets"))

    with pytest.raises(BadRole, match=r"greeter.role.yaml:2:1: `description` is missing .*: write `description`"):
        Roles(tmp_path).find("greeter")


def test_every_mistake_is_told_with_its_place_and_what_to_do() -> None:
    text = GREETER.replace("kind}", "kind, oneof: [a]}").replace("system", "temperature: 3\nsystem")

    told = said(text)

    assert "greeter.role.yaml:4:53: unknown word `oneof` in `tone`" in told
    assert "greeter.role.yaml:6:14: `temperature` must be at most 2" in told
    assert "fix: write temperature: 2" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: a role file is a mapping"),
        ("role: [", "this is not YAML"),
        ("- role", "1:1: a role file is a mapping"),
        ("role: greeter\nprompt: x\n", "2:1: unknown word `prompt` at the top of a role file"),
        (GREETER.replace("role: greeter", "role: My Role"), "1:7: `My Role` is not a name"),
        (GREETER.replace("role: greeter", "role: waver"), "1:7: the file greeter.role.yaml holds the role `waver`"),
        (GREETER.replace("{{times}}", "{{tims}}"), "7:9: there is no variable `tims`"),
        (GREETER.replace("{{times}}", "two"), "5:3: the variable `times` is declared and never used"),
        (GREETER.replace("default: 2", "default: [2]"), "`default` must be"),
        (GREETER.replace("role: greeter", "role: greeter\nrole: greeter"), "2:1:"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, expected: str) -> None:
    assert expected in said(text)


def test_the_files_that_ship_are_called_as_their_roles() -> None:
    assert {file.name for file in SHIPPED.iterdir()} == {f"{name}.role.yaml" for name in SHIPPED_ROLES}
