"""The tools that are code: ours, and those in the modules that the settings name.

The invariant: this module imports neither Temporal nor Ray nor a driver. Commands that only look at tools load it.
"""

import importlib
from collections.abc import Iterator

from ..activities.tools.builtin import ALL
from ..activities.tools.tool import Tool
from ..activities.tools.toolbox import Toolbox
from .settings import Settings


def known_tools(settings: Settings | None) -> Toolbox:
    toolbox = Toolbox(ALL)
    if settings is None:
        return toolbox
    from .agent_modules import import_agents

    import_agents(settings.agents)
    for module in settings.agents.modules:
        for one in _tools_in(module):
            toolbox.add(one)
    return toolbox


def _tools_in(module: str) -> Iterator[Tool]:
    for one in vars(importlib.import_module(module)).values():
        if isinstance(one, Tool):
            yield Tool(one.manifest, one.arguments, one.run, one.need, one.preview, source=f"module:{module}")
