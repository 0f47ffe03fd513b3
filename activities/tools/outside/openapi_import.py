"""Makes tools of the operations of an OpenAPI document.

What a crash means follows from the method, as HTTP defines it: what only reads, or is as good twice as once, may be
repeated; a POST may not, unless the document declares a header `Idempotency-Key`, which then gets the call's key.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import urljoin

from pydantic import ValidationError

from ....actors.errors import Rejected
from ..manifest import Contract, Danger, ToolManifest
from ..web import web_url
from .choices import FIRST, Choices, Hint, Known, versioned
from .naming import tool_names
from .openapi_document import BadDocument, Document, Json
from .openapi_origin import OpenApiOrigin, Operation, Parameter, Place, Style
from .openapi_schema import Schemas
from .schema_tool import refuse_bad_schemas

METHODS = ("get", "head", "put", "delete", "post", "patch", "options")
MOST_OPERATIONS = 3_000
MOST_OF_ALL = 16_000_000  # characters of what is kept
LONGEST_DESCRIPTION = 1_000
# Said by the request itself, or by who imports.
OURS = {"accept", "content-type", "content-length", "host", "authorization", "cookie", "connection"}
KEY_HEADERS = {"idempotency-key", "x-idempotency-key"}
STYLES: dict[Place, Style] = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
MEDIA = ("application/json", "application/x-www-form-urlencoded", "text/plain")
DANGERS: dict[str, Danger] = {"get": "low", "head": "low", "options": "low", "delete": "high"}


@dataclass(frozen=True)
class ImportedApi:
    origin: OpenApiOrigin
    hints: dict[str, Hint]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """An operation, as the document has it."""

    method: str
    path: str
    said: Json
    shared: list[Any]  # parameters of all operations of the path

    @property
    def id(self) -> str:
        return str(self.said.get("operationId") or f"{self.method}{self.path}")

    @property
    def description(self) -> str:
        told = [str(self.said.get(word) or "").strip() for word in ("summary", "description")]
        return "\n".join(dict.fromkeys(filter(None, told))) or f"{self.method.upper()} {self.path}"


def import_openapi(
    family: str, document: Document, origin: OpenApiOrigin, choices: Choices, known: Known
) -> ImportedApi:
    found = list(_operations(document))
    if len(found) > MOST_OPERATIONS:
        raise BadDocument(f"{document.what} has {len(found):,} operations, and {MOST_OPERATIONS:,} are the most.")
    names = tool_names(family, [one.id for one in found])
    choices.refuse_unused(names)
    choices = replace(choices, takes_hints=True)  # the methods' meaning is a standard's, not this server's
    tools: list[Operation] = []
    left_out: list[str] = []
    for one, name in zip(found, names, strict=True):
        if choices.wants(name):
            try:
                tools.append(_operation(name, one, document, origin, choices, known))
            except (Rejected, ValidationError) as error:
                left_out.append(f"{name}: {str(error).partition(chr(10))[0]}")
    kept = origin.model_copy(update={"tools": tuple(tools)})
    size = len(kept.model_dump_json())
    if size > MOST_OF_ALL:
        raise BadDocument(f"{document.what} makes {len(tools)} tools of {size:,} characters: choose some with --only.")
    hints = {
        one.manifest.name: Hint(one.manifest.contract, one.manifest.danger, f"{one.method} {one.path}") for one in tools
    }
    return ImportedApi(kept, hints, tuple(left_out))


def server_of(document: Document, said: str | None, read_from: str | None) -> str:
    """Where the API is: as who imports says, or else the document."""
    servers = document.content.get("servers")
    first = document.resolved(servers[0]) if isinstance(servers, list) and servers else {}
    url = said or str(first.get("url") or ("/" if read_from else ""))
    for name, variable in (first.get("variables") or {}).items() if said is None else ():
        url = url.replace(f"{{{name}}}", str(document.resolved(variable).get("default", "")))
    if read_from is not None:
        url = urljoin(read_from, url)
    try:
        return web_url(url).rstrip("/")
    except ValueError as error:
        raise BadDocument(
            f"{document.what} does not say where its server is ({error}). Say it with --server URL."
        ) from None


def _operations(document: Document) -> Iterator[Found]:
    for path, item in document.content["paths"].items():
        resolved = document.resolved(item)
        shared = resolved.get("parameters")
        for method in METHODS:
            if isinstance(resolved.get(method), dict) and str(path).startswith("/"):
                yield Found(method, path, resolved[method], shared if isinstance(shared, list) else [])


def _operation(
    name: str, one: Found, document: Document, origin: OpenApiOrigin, choices: Choices, known: Known
) -> Operation:
    arguments = Arguments(document, origin)
    for given in (*one.shared, *_list(one.said.get("parameters"))):
        arguments.take(document.resolved(given))
    media = arguments.take_body(document.resolved(one.said.get("requestBody")))
    manifest = ToolManifest(
        name=name,
        version=FIRST,
        description=one.description[:LONGEST_DESCRIPTION],
        input={"$comment": f"{one.method.upper()} {origin.server}{one.path}", **arguments.schema()},
        permissions=tuple(dict.fromkeys(need.action for need in origin.permissions)),
        deprecated="the API's description says that it is deprecated." if one.said.get("deprecated") is True else None,
        tags=("openapi", *(str(tag)[:60] for tag in _list(one.said.get("tags"))[:5])),
        **choices.settled(name, hint_of(one.method, arguments.key_header)),
    )
    manifest = versioned(manifest, known)
    refuse_bad_schemas(manifest)
    return Operation(
        manifest=manifest,
        method=cast(Any, one.method.upper()),
        path=one.path,
        parameters=tuple(arguments.parameters.values()),
        media=media,
        key_header=arguments.key_header,
    )


def hint_of(method: str, key_header: str | None) -> Hint:
    repeatable = method in ("get", "head", "options", "put", "delete")
    contract: Contract = "safe-to-retry" if repeatable else "keyed" if key_header else "at-most-once"
    return Hint(contract, DANGERS.get(method, "medium"))


class Arguments:
    """Parameters and body, wherever they go, as one object."""

    def __init__(self, document: Document, origin: OpenApiOrigin) -> None:
        self.parameters: dict[tuple[str, str], Parameter] = {}
        self.key_header: str | None = None
        self._schemas = Schemas(document)
        self._document = document
        self._given = {name.lower() for name in origin.headers}, set(origin.query)
        self._properties: Json = {}
        self._required: set[str] = set()

    def take(self, said: Json) -> None:
        name, place = str(said.get("name", "")), cast(Place, said.get("in"))
        if not name or place not in get_args(Place) or self._is_ours(name, place):
            return
        before = self.parameters.pop((name, place), None)  # an operation's own wins over its path's
        if before is not None:
            self._properties.pop(before.argument)
            self._required.discard(before.argument)
        argument = name if name not in self._properties and name != "body" else f"{name}_{place}"
        content = said.get("content")
        style = "json" if isinstance(content, dict) and content else said.get("style", STYLES[place])
        self.parameters[name, place] = Parameter(
            name=name, argument=argument, place=place, style=style, explode=said.get("explode", style == "form")
        )
        schema = _first(content).get("schema") if style == "json" else said.get("schema")
        self._properties[argument] = _described(self._schemas.of(schema), said)
        if said.get("required") is True or place == "path":
            self._required.add(argument)

    def take_body(self, said: Json) -> str | None:
        content = said.get("content")
        if not isinstance(content, dict) or not content:
            return None
        media = _chosen(content)
        self._properties["body"] = _described(
            self._schemas.of(self._document.resolved(content[media]).get("schema")), said
        )
        if said.get("required") is True:
            self._required.add("body")
        return media

    def schema(self) -> Json:
        schema: Json = {"type": "object", "properties": self._properties, "additionalProperties": False}
        if self._required:
            schema["required"] = sorted(self._required)
        definitions = self._schemas.definitions()
        return {**schema, "$defs": definitions} if definitions else schema

    def _is_ours(self, name: str, place: str) -> bool:
        headers, query = self._given
        if place == "header" and name.lower() in KEY_HEADERS:
            self.key_header = name
            return True
        return (place == "header" and name.lower() in OURS | headers) or (place == "query" and name in query)


def _chosen(content: Json) -> str:
    """The first media type that we can write, or one that is like JSON."""
    for media in content:
        if any(media.partition(";")[0].strip().lower() == one for one in MEDIA) or re.search(r"[/+]json\b", media):
            return str(media)
    raise BadDocument(f"its body can only be {', '.join(list(content)[:3])}, which cannot be written from arguments.")


def _described(schema: Json | bool, said: Json) -> Json:
    told = str(said.get("description") or "").strip()[:400]
    plain: Json = schema if isinstance(schema, dict) else {}
    if not told or "description" in plain:
        return plain
    return {"allOf": [plain], "description": told} if "$ref" in plain else {**plain, "description": told}


def _first(content: Any) -> Json:
    return next((one for one in content.values() if isinstance(one, dict)), {}) if isinstance(content, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
