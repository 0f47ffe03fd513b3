"""How a flow names another one: by the path of its file, relative to its own; a team that ships, as `team/NAME`."""

import posixpath
import re

_TEAM = re.compile(r"team/[a-z][a-z0-9-]*")


def is_team(name: str) -> bool:
    return _TEAM.fullmatch(name) is not None


def child_path(parent: str, child: str) -> str:
    """Where the child is: from where the parent's path starts, or the name of the team."""
    return child if is_team(child) else posixpath.normpath(posixpath.join(posixpath.dirname(parent), child))
