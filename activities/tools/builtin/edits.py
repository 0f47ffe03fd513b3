"""What a change makes of a file, before it is made: for the tools that make it, and for whoever approves it."""

import asyncio
import base64
import binascii
from codecs import BOM_UTF8
from collections.abc import Callable
from itertools import islice
from typing import Any

from ..bounded.differences import unified
from ..opening import NoFile
from ..place import place
from ..tool import BadArguments, ToolCall, ToolError
from ..walk import kind_of, walk
from ..workspace import Workspace, as_text
from .bounds import run_bounded

MOST_NAMED = 100

Edit = tuple[bytes, dict[str, Any]]  # the new content, and what the tool answers


def as_data(content: str, encoding: str = "utf-8") -> bytes:
    try:
        return base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    except binascii.Error as error:
        raise BadArguments(f"`content` is not base64 ({error}): encode it again, or leave `encoding` out.") from None


def appended(data: bytes | None, path: str, content: str, newline: bool) -> Edit:
    longer = (data or b"") + as_data(content if content.endswith("\n") or not newline else f"{content}\n")
    return longer, {"path": path, "size": len(longer)}


def edited(data: bytes | None, path: str, old: str, new: str, everywhere: bool) -> Edit:
    if data is None:
        raise ToolError(f"`{path}` does not exist: write it with files.write.")
    text = as_text(data, path)
    count = text.count(old)
    if count == 0:
        raise ToolError(f"`{path}` does not have this text: read it again, and give `old` exactly as it is there.")
    if count > 1 and not everywhere:
        raise ToolError(f"`{path}` has this text {count} times: give more of what is around it.")
    mark = BOM_UTF8 if data.startswith(BOM_UTF8) else b""
    line = text.count("\n", 0, text.index(old)) + 1
    return mark + as_data(text.replace(old, new)), {"path": path, "line": line, "replacements": count}


async def preview_write(call: ToolCall, asked: Any) -> dict[str, Any]:
    return await _preview(call, asked.path, lambda _: as_data(asked.content, asked.encoding))


async def preview_append(call: ToolCall, asked: Any) -> dict[str, Any]:
    return await _preview(call, asked.path, lambda data: appended(data, asked.path, asked.content, asked.newline)[0])


async def preview_edit(call: ToolCall, asked: Any) -> dict[str, Any]:
    return await _preview(
        call, asked.path, lambda data: edited(data, asked.path, asked.old, asked.new, asked.everywhere)[0]
    )


async def preview_delete(call: ToolCall, asked: Any) -> dict[str, Any]:
    return await asyncio.to_thread(_deleted, Workspace(call.workspace), asked.path)


async def _preview(call: ToolCall, path: str, change: Callable[[bytes | None], bytes]) -> dict[str, Any]:
    def compare() -> dict[str, Any]:
        try:
            before: bytes | None = Workspace(call.workspace).read(path)
        except NoFile:
            before = None
        after = change(before)
        try:
            texts = as_text(before or b"", path), as_text(after, path)
        except ToolError:  # no text: there is nothing to show but how much it is
            return {"size_before": None if before is None else len(before), "size_after": len(after)}
        difference: dict[str, Any] = run_bounded(unified, *texts, "before", "after", 3)
        return {"is_new": before is None, **difference}

    return await asyncio.to_thread(compare)


def _deleted(workspace: Workspace, path: str) -> dict[str, Any]:
    found = workspace.state(path)
    if found is None or kind_of(found.st_mode) != "folder":
        return {"deletes": [] if found is None else [path], "and_more": False}
    beneath = [f"{path}/{one.path}" for one in islice(walk(workspace, place(path)), MOST_NAMED + 1)]
    return {"deletes": [path, *beneath[:MOST_NAMED]], "and_more": len(beneath) > MOST_NAMED}
