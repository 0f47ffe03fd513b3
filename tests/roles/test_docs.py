"""The examples of the pages on roles and teams are right, and the tables name all that ships."""

import re
from pathlib import Path

import pytest
from resprout.runtime.roles import Roles
from resprout.runtime.teams import teams
from resprout.workflows.flow import read
from resprout.workflows.role_file import read_role

DOCS = Path(__file__).parents[2] / "docs"
ROLES, TEAMS = (DOCS / "roles.md").read_text(), (DOCS / "teams.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", ROLES + TEAMS, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_an_example_of_the_pages_is_right(block: str) -> None:
    if block.startswith("role:"):
        problems = read_role(block, "page").problems
    else:
        problems = read(f"flow: {{name: page}}\n{block}", "page").problems

    assert [str(problem) for problem in problems] == []


def test_the_table_of_roles_says_what_the_roles_say() -> None:
    for name in Roles().files():
        role = Roles().find(name)
        variables = ", ".join(f"`{one}`" for one in role.variables)
        assert f"| `{name}` | {role.description} | {variables} |" in ROLES


def test_the_table_of_teams_names_all_that_ship_and_what_they_take_and_give() -> None:
    for name, file in teams().items():
        flow = read(file.read_text(), str(file)).flow
        assert flow is not None
        (row,) = re.findall(rf"^\| `team/{name}` .*$", TEAMS, re.MULTILINE)
        assert [
            one for one in {*flow.inputs, *(flow.outputs or {})} - {"goal", "members"} if f"`{one}`" not in row
        ] == []
