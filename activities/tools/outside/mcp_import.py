"""Makes tools of what an MCP server lists, for somebody to look at before they are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types
from pydantic import ValidationError

from ....actors.errors import Rejected
from ..manifest import ToolManifest
from .choices import FIRST, Choices, Hint, Known, versioned
from .json_schema import JsonSchema, subschemas
from .mcp_origin import McpOrigin, PinnedTool, pin_of
from .mcp_result import McpResult
from .naming import tool_names
from .schema_tool import refuse_bad_schemas

LONGEST_DESCRIPTION = 2_000


@dataclass(frozen=True)
class Imported:
    """What came of reading the other side's word."""

    origin: McpOrigin
    hints: dict[str, Hint]  # by our names
    left_out: tuple[str, ...]  # sentences: tools that cannot be ones


def import_mcp(
    family: str, origin: McpOrigin, listed: Sequence[mcp_types.Tool], choices: Choices, known: Known
) -> Imported:
    ours = tool_names(family, [one.name for one in listed])
    names = dict(zip([one.name for one in listed], ours, strict=True))
    choices.refuse_unused(names.values())
    pinned: list[PinnedTool] = []
    left_out: list[str] = []
    wanted = {one.name: one for one in listed if choices.wants(names[one.name])}
    for theirs, one in wanted.items():
        try:
            pinned.append(_pinned(names[theirs], one, origin, choices, known))
        except (Rejected, ValidationError) as error:
            left_out.append(str(error).partition("\n")[0])
    hints = {one.manifest.name: hint_of(wanted[one.theirs]) for one in pinned}
    return Imported(origin.model_copy(update={"tools": tuple(pinned)}), hints, tuple(left_out))


def _pinned(name: str, tool: mcp_types.Tool, origin: McpOrigin, choices: Choices, known: Known) -> PinnedTool:
    if tool.output_schema is not None:
        JsonSchema(tool.output_schema, f"{name}'s structure")
    manifest = ToolManifest(
        name=name,
        version=FIRST,
        description=(tool.description or tool.title or tool.name)[:LONGEST_DESCRIPTION],
        input={"$comment": f"{tool.name} of {origin.where}", "type": "object", **tool.input_schema},
        output=_output(tool.output_schema),
        permissions=tuple(dict.fromkeys(one.action for one in origin.permissions)),
        tags=("mcp",),
        **choices.settled(name, hint_of(tool)),
    )
    manifest = versioned(manifest, known)
    refuse_bad_schemas(manifest)
    return PinnedTool(theirs=tool.name, pin=pin_of(tool), manifest=manifest, structured=tool.output_schema)


def _output(structure: dict[str, Any] | None) -> dict[str, Any]:
    schema = McpResult.model_json_schema()
    if structure is not None and not any("$ref" in one for one in subschemas(structure)):
        schema["properties"]["structured"] = structure  # a `$ref` would lead elsewhere from here
    return schema


def hint_of(tool: mcp_types.Tool) -> Hint:
    """What its annotations would mean, if they were true."""
    said = tool.annotations
    if said is None:
        return Hint("at-most-once", "high")
    if said.read_only_hint:
        return Hint("safe-to-retry", "low", "says that it only reads")
    contract: Any = "safe-to-retry" if said.idempotent_hint else "at-most-once"
    danger: Any = "medium" if said.destructive_hint is False else "high"
    words = [
        "says that twice is as good as once" if said.idempotent_hint else "",
        "says that it destroys nothing" if said.destructive_hint is False else "",
    ]
    return Hint(contract, danger, " and ".join(filter(None, words)))
