"""Calls an operation: arguments become one HTTP request, made in a sandbox that may reach the API's host alone.

The invariant: an argument cannot lead to another operation. Values in the path are escaped, and those that mean another
place (`..`) are refused.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from ....actors.errors import Rejected, ResproutError, Unavailable
from ...secrets import NOTHING_HIDDEN, KnowsSecrets
from ..manifest import Contract
from ..secrets import Revealed, Secrets
from ..tool import BadArguments, Tool, ToolCall, ToolError
from ..web import SAFE, Fetched, NoAnswer, Request, Unanswered, fetch
from .openapi_origin import OpenApiOrigin, Operation, Parameter
from .schema_tool import Given, schema_tool

MOST_BODY = 600_000  # bytes of an answer that are kept
KEPT_HEADERS = ("content-type", "location", "etag", "link", "last-modified", "retry-after")
SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}
BUSY = (429, 503)  # the server says that it did nothing, and when to come again


def openapi_tools(source: str, origin: OpenApiOrigin, secrets: KnowsSecrets) -> Iterator[Tool]:
    for operation in origin.tools:
        yield _tool(source, origin, operation, Secrets(secrets))


def _tool(source: str, origin: OpenApiOrigin, operation: Operation, secrets: Secrets) -> Tool:
    needed = origin.permissions

    async def run(call: ToolCall, given: Given) -> Any:
        try:
            revealed = secrets.revealed(origin.given)
        except Rejected as error:
            raise ToolError(str(error)) from None
        try:
            fetched = await fetch(call, request_of(origin, operation, given, call.key, revealed))
            return revealed.hidden(_result(fetched, operation.manifest.contract, operation.method))
        except ResproutError as error:
            raise _hidden(error, revealed) from None

    return schema_tool(operation.manifest, run, source=source, needs=lambda _: needed, checks_output=False)


def request_of(
    origin: OpenApiOrigin, operation: Operation, given: Given, key: str, revealed: Revealed | None = None
) -> Request:
    common = revealed.arguments if revealed is not None else origin.given
    headers = {"Accept": "application/json, */*;q=0.5", **common["headers"]}
    query: list[tuple[str, str]] = list(common["query"].items())
    path, cookies = operation.path, []
    for one in operation.parameters:
        if given.get(one.argument) is None:
            continue
        match one.place:
            case "path":
                path = path.replace(f"{{{one.name}}}", _in_path(one, given[one.argument]))
            case "query":
                query += _pairs(one, given[one.argument])
            case "header":
                headers[one.name] = _line(one, given[one.argument])
            case "cookie":
                cookies += [f"{name}={quote(value, safe='')}" for name, value in _pairs(one, given[one.argument])]
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    if operation.key_header is not None:
        headers[operation.key_header] = key
    body = _body(operation, given, headers)
    return Request(
        method=operation.method,
        url=f"{origin.server}{path}" + (f"?{urlencode(query)}" if query else ""),
        headers=headers,
        body=body,
        seconds=int(min(timedelta(minutes=5), operation.manifest.timeout).total_seconds()),
        most=MOST_BODY,
        redirects=5 if operation.method in SAFE else 0,
        is_known_by_key=operation.manifest.contract == "keyed",
        veil=revealed.veil if revealed is not None else NOTHING_HIDDEN,
    )


def _in_path(one: Parameter, value: Any) -> str:
    text = ",".join(_text(each) for each in value) if isinstance(value, list) else _text(value)
    if text in ("", ".", ".."):
        raise BadArguments(f"`{one.argument}`: {text!r} would be another path than this operation's.")
    prefix = {"label": ".", "matrix": f";{one.name}="}.get(one.style, "")
    return prefix + quote(text, safe=",")


def _pairs(one: Parameter, value: Any) -> list[tuple[str, str]]:
    match value:
        case _ if one.style == "json":
            return [(one.name, json.dumps(value))]
        case dict() if one.style == "deepObject":
            return [(f"{one.name}[{name}]", _text(each)) for name, each in value.items()]
        case dict() if one.explode:
            return [(name, _text(each)) for name, each in value.items()]
        case dict():
            return [(one.name, ",".join(f"{name},{_text(each)}" for name, each in value.items()))]
        case list() if one.explode:
            return [(one.name, _text(each)) for each in value]
        case list():
            return [(one.name, SEPARATORS.get(one.style, ",").join(map(_text, value)))]
        case _:
            return [(one.name, _text(value))]


def _line(one: Parameter, value: Any) -> str:
    text = ",".join(text for _, text in _pairs(one, value))
    if not text.isprintable() or not text.isascii():
        raise BadArguments(f"`{one.argument}`: a header has printable characters of ASCII only.")
    return text


def _text(value: Any) -> str:
    match value:
        case bool() | dict() | list():
            return json.dumps(value)
        case None:
            return ""
        case _:
            return str(value)


def _body(operation: Operation, given: Given, headers: dict[str, str]) -> bytes | None:
    if operation.media is None or "body" not in given:
        return None
    headers["Content-Type"] = operation.media
    value = given["body"]
    if operation.media.startswith("application/x-www-form-urlencoded"):
        pairs = [(name, _text(each)) for name, each in value.items()] if isinstance(value, dict) else []
        return urlencode(pairs).encode()
    if operation.media.startswith("text/plain"):
        return _text(value).encode()
    return json.dumps(value).encode()


def _result(fetched: Fetched, contract: Contract, method: str) -> dict[str, Any]:
    if fetched.status >= 400:
        raise _failure(fetched, contract, method)
    answer: dict[str, Any] = {
        "status": fetched.status,
        "headers": {name: value for name, value in fetched.headers.items() if name in KEPT_HEADERS},
        "body": None,
        "is_cut": fetched.is_cut,
    }
    if "json" in fetched.type and not answer["is_cut"]:
        try:
            return {**answer, "body": json.loads(fetched.body)}
        except ValueError:
            pass  # it says that it is, and is not: then it is text
    return {**answer, "body": fetched.text}


def _failure(fetched: Fetched, contract: Contract, method: str) -> ResproutError:
    """An answer of 4xx says that nothing was done; of 5xx, nobody knows what was."""
    text = " ".join(fetched.text[:1_000].split())
    said = f"{method} {fetched.url.partition('?')[0]} answered {fetched.status} {fetched.reason}: {text}"
    if fetched.status in BUSY and contract != "at-most-once":
        return Unavailable(said, _wait(fetched))
    if fetched.status < 500 or fetched.status in BUSY:
        return ToolError(said)
    match contract:
        case "safe-to-retry":
            return Unavailable(said)
        case "keyed":
            return Unanswered(said)
        case "at-most-once":
            return NoAnswer(f"{said}. It may have been done.")


def _wait(fetched: Fetched) -> timedelta | None:
    after = fetched.headers.get("retry-after", "")
    return timedelta(seconds=min(int(after), 3_600)) if after.isascii() and after.isdecimal() else None


def _hidden(error: ResproutError, revealed: Revealed) -> ResproutError:
    said = revealed.hidden(str(error))
    if said == str(error):
        return error
    return type(error)(said)
