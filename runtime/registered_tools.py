"""Tools that only the registry in Postgres tells of here: their code is in another process, a worker's.

They can be looked at, and arguments can be held against their schemas. What a call of one does exactly, only its code
knows; here it is known at most.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ..activities.tools.manifest import ToolManifest
from ..activities.tools.outside.schema_tool import schema_tool
from ..activities.tools.tool import Tool, ToolCall
from ..activities.tools.toolbox import Toolbox, UnknownTool
from ..actors.errors import NotRunning
from ..memory.tools import RegisteredTool

IMPORTED = ("mcp", "openapi", "manifest")  # kinds of sources, whose tools stay on record when they are removed


def add_registered(toolbox: Toolbox, registered: Sequence[RegisteredTool], sources: Sequence[str]) -> None:
    """`sources`: those that are imported now. What is known already stays as it is."""
    for row in registered:
        if _may_be_there(row, sources) and not _has(toolbox, row) and (found := tool_on_record(row)) is not None:
            toolbox.add(found)


def _may_be_there(row: RegisteredTool, sources: Sequence[str]) -> bool:
    """What is registered stays so for ever: a source that was removed, and the built-in tools of an older version."""
    kind = row.source.partition(":")[0]
    return kind != "built-in" and (kind not in IMPORTED or row.source in sources)


def tool_on_record(row: RegisteredTool) -> Tool | None:
    """None: it was registered by another version of ours, whose manifests have words that this one does not know."""
    try:
        manifest = ToolManifest.model_validate_json(row.manifest)
    except ValidationError:
        return None
    made = schema_tool(manifest, _elsewhere, source=row.source)
    return replace(made, seen_elsewhere=row.seen_at or row.registered_at)


async def _elsewhere(call: ToolCall, arguments: dict[str, Any]) -> Any:
    raise NotRunning("the code of this tool is in another process: call it with `resprout tool call`.")


def _has(toolbox: Toolbox, row: RegisteredTool) -> bool:
    try:
        toolbox.find(f"{row.name}@{row.version}")
    except UnknownTool:
        return False
    return True
