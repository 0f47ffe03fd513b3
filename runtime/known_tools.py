"""The tools that are code: ours, those of plugins, and those in the modules that the settings name.

The invariant: this module imports neither Temporal nor Ray. Commands that only look at tools load it.
"""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..activities.tools.builtin import ALL
from ..activities.tools.tool import Tool
from ..activities.tools.toolbox import Toolbox
from ..actors.errors import BadClass
from ..actors.logger import get_logger
from .plugins.loading import plugin_tools
from .settings import Settings

log = get_logger("resprout.tools")


def known_tools(settings: Settings | None) -> Toolbox:
    toolbox = Toolbox(ALL)
    if settings is None:
        return toolbox
    from .agent_modules import import_agents

    add_from_elsewhere(toolbox, plugin_tools())
    import_agents(settings.agents)
    add_from_elsewhere(toolbox, (one for module in settings.agents.modules for one in _tools_in(module)))
    return toolbox


def add_from_elsewhere(toolbox: Toolbox, tools: Iterable[Tool]) -> None:
    """A family belongs to who had it first: `http.get@99.0.0` of somebody else must not be what `http.get` means."""
    taken = {one.manifest.family for one in toolbox}
    for one in tools:
        try:
            if one.manifest.family in taken:
                raise BadClass(f"its family is taken: rename the family of {one.name}")
            toolbox.add(one)
        except BadClass as error:
            log.error("a tool is left out", tool=one.manifest.reference, source=one.source, error=str(error))


def _tools_in(module: str) -> Iterator[Tool]:
    for one in vars(importlib.import_module(module)).values():
        if isinstance(one, Tool):
            yield replace(one, source=f"module:{module}")
