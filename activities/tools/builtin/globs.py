"""Which files beneath a folder a pattern means."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...sandbox.selection import Selection
from ..place import Place
from ..walk import walk
from ..workspace import Workspace


@dataclass
class Selected:
    paths: list[str]  # beneath the folder
    truncated: bool


def selected(workspace: Workspace, where: Place, patterns: Sequence[str], limit: int) -> Selected:
    wanted = Selection(patterns)
    paths: list[str] = []
    for found in walk(workspace, where):
        if found.kind == "file" and wanted.takes(found.path):
            if len(paths) == limit:
                return Selected(paths, truncated=True)
            paths.append(found.path)
    return Selected(paths, truncated=False)
