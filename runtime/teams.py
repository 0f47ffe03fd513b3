"""The teams that ship: flows that are used by name, `team/debate`, from the command line and from other flows."""

from pathlib import Path

from ..actors.errors import NotFound
from ..workflows.flow.vocabulary import did_you_mean

SHIPPED = Path(__file__).parents[1] / "deploy" / "teams"
ENDING = ".flow.yaml"
PREFIX = "team/"


class UnknownTeam(NotFound):
    """No team has this name."""


def teams() -> dict[str, Path]:
    """By name, sorted."""
    return {file.name.removesuffix(ENDING): file for file in sorted(SHIPPED.glob(f"*{ENDING}"))}


def team_file(name: str) -> Path:
    """Of a name with or without `team/`; raises UnknownTeam."""
    known, bare = teams(), name.removeprefix(PREFIX)
    if bare not in known:
        hint = did_you_mean(bare, known, f"the teams are {', '.join(known)}")
        raise UnknownTeam(f"there is no team `{bare}`: {hint}")
    return known[bare]
