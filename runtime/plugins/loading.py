"""The tools of installed plugins: what their entry points of the group `resprout.tools` lead to.

A plugin that cannot be loaded is told of and left out: it must not keep a worker from starting.
"""

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from packaging.utils import canonicalize_name

from ...activities.tools.tool import Tool
from ...actors.logger import get_logger
from .installed import GROUP, distributions

log = get_logger("resprout.plugins")


def plugin_tools() -> Iterator[Tool]:
    for name, found in sorted(distributions().items()):
        for point in found.entry_points:
            if point.group == GROUP:
                yield from _tools_of(canonicalize_name(name), point)


def _tools_of(plugin: str, point: importlib.metadata.EntryPoint) -> Iterator[Tool]:
    try:
        tools = list(_tools_in(point.load()))
    except Exception as error:  # noqa: BLE001 - a stranger's code; whatever it raises, it is told
        log.error(
            "a plugin cannot be loaded", plugin=plugin, entry=point.value, error=f"{type(error).__name__}: {error}"
        )
        return
    if not tools:
        log.error("a plugin brings no tools", plugin=plugin, entry=point.value)
    for one in tools:
        yield replace(one, source=f"plugin:{plugin}")


def _tools_in(value: Any) -> Iterator[Tool]:
    match value:
        case Tool():
            yield value
        case ModuleType():
            yield from (one for one in vars(value).values() if isinstance(one, Tool))
        case Iterable():
            for one in value:
                if not isinstance(one, Tool):
                    raise TypeError(f"{one!r} is no tool")
                yield one
        case _:
            raise TypeError(f"{value!r} is no module and no list of tools")
