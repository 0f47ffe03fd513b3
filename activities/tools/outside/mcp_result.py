"""What an MCP server answered, as a result of a tool: text, structure, pictures, within bounds.

The invariant: what has happened is not made a failure because it was told at too great length. What is too much is
left out, and that is said.
"""

import json
from typing import Any

import mcp_types
from pydantic import BaseModel

from ..tool import ToolError
from .json_schema import JsonSchema

MOST_TEXT = 200_000  # characters
MOST_STRUCTURE = 300_000  # characters of JSON
MOST_MEDIA = 400_000  # characters of base64, of all together
MOST_BLOCKS = 1_000


class Media(BaseModel):
    type: str
    base64: str
    uri: str | None = None


class Link(BaseModel):
    uri: str
    name: str


class McpResult(BaseModel):
    text: str = ""
    structured: Any = None
    media: list[Media] = []
    links: list[Link] = []
    notes: list[str] = []
    """What was left out, or is not as the server promised."""


def result_of(answer: mcp_types.CallToolResult, structure: JsonSchema | None) -> dict[str, Any]:
    """Raises ToolError when the server says that it was an error."""
    result = McpResult()
    texts: list[str] = []
    for block in answer.content[:MOST_BLOCKS]:
        _take(block, texts, result)
    if len(answer.content) > MOST_BLOCKS:
        result.notes.append(f"{len(answer.content) - MOST_BLOCKS:,} more parts were left out")
    result.text = _cut("\n".join(texts), MOST_TEXT, result)
    if answer.is_error:
        raise ToolError(f"the server says: {result.text[:2_000] or 'it failed'}")
    if answer.structured_content is not None:
        _take_structure(answer.structured_content, structure, result)
    return result.model_dump(mode="json")


def _take(block: mcp_types.ContentBlock, texts: list[str], result: McpResult) -> None:
    match block:
        case mcp_types.TextContent(text=text):
            texts.append(text)
        case mcp_types.ImageContent(data=data, mime_type=kind) | mcp_types.AudioContent(data=data, mime_type=kind):
            _take_media(Media(type=kind[:100], base64=data), result)
        case mcp_types.ResourceLink():
            result.links.append(Link(uri=str(block.uri)[:2_000], name=block.name[:200]))
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents(text=text)):
            texts.append(text)
        case mcp_types.EmbeddedResource(resource=mcp_types.BlobResourceContents() as blob):
            kind = (blob.mime_type or "application/octet-stream")[:100]
            _take_media(Media(type=kind, base64=blob.blob, uri=str(blob.uri)[:2_000]), result)


def _take_media(media: Media, result: McpResult) -> None:
    if sum(len(one.base64) for one in result.media) + len(media.base64) > MOST_MEDIA:
        result.notes.append(f"{media.type} of {len(media.base64) * 3 // 4:,} bytes was left out")
    else:
        result.media.append(media)


def _take_structure(given: Any, structure: JsonSchema | None, result: McpResult) -> None:
    size = len(json.dumps(given))
    if size > MOST_STRUCTURE:
        result.notes.append(f"structure of {size:,} characters was left out")
        return
    result.structured = given
    problems = structure.problems(given) if structure is not None else []
    if problems:
        result.notes.append(
            "the structure does not fit the schema that the server gave: "
            + "; ".join(f"`{'.'.join(map(str, one.path))}`: {one.said}" for one in problems[:3])
        )


def _cut(text: str, most: int, result: McpResult) -> str:
    if len(text) > most:
        result.notes.append(f"{len(text) - most:,} characters of text were left out")
    return text[:most]
