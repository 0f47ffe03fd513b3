"""Operations of OpenAPI documents as tools: a real document of a public project, a real API that counts its calls."""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import temporalio
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from resprout.activities.tools.outside.choices import Choices
from resprout.activities.tools.outside.openapi_call import openapi_tools, request_of
from resprout.activities.tools.outside.openapi_document import BadDocument, read_document
from resprout.activities.tools.outside.openapi_import import ImportedApi, import_openapi, server_of
from resprout.activities.tools.outside.openapi_origin import OpenApiOrigin
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from resprout.activities.tools.web import NoAnswer, Unanswered
from resprout.actors.errors import Rejected, Unavailable
from support.tool_calls import Hands, sandboxed

# The document of Temporal's own HTTP API, which comes with its Python package.
PROTOS = Path(temporalio.__file__).parent / "bridge/sdk-core/crates/protos/protos"
TEMPORAL = PROTOS / "api_upstream/openapi/openapiv3.yaml"


class KeySecret:
    def value(self, name: str) -> str:
        if name != "shop-key":
            raise Rejected(f"there is no secret {name}.")
        return "canary-7781-value"


class Item(BaseModel):
    name: str
    price: float = 1.0
    parts: list["Item"] = []


@dataclass
class Shop:
    """An API, and what it was asked."""

    port: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    keys: list[str | None] = field(default_factory=list)
    document: Any = None

    def app(self) -> FastAPI:
        app = FastAPI(title="shop", version="1.2.0")

        @app.get("/items/{item_id}", operation_id="getItem", summary="One item.")
        def get_item(item_id: str, with_parts: bool = False, tag: Annotated[list[str] | None, Query()] = None) -> Any:
            self.counts["get"] += 1
            return {"id": item_id, "with_parts": with_parts, "tags": tag}

        @app.post("/items", operation_id="addItem", status_code=201)
        def add_item(item: Item, authorization: Annotated[str, Header()] = "") -> Any:
            self.counts["add"] += 1
            return {"name": item.name, "parts": len(item.parts), "by": authorization}

        @app.post("/orders", operation_id="order")
        def order(amount: int, idempotency_key: Annotated[str | None, Header()] = None) -> Any:
            self.counts["order"] += 1
            self.keys.append(idempotency_key)
            if amount > 100:
                raise HTTPException(500, "the till is broken")
            return {"amount": amount}

        @app.delete("/items/{item_id}", operation_id="removeItem")
        def remove_item(item_id: str) -> Any:
            raise HTTPException(404, f"there is no item {item_id}")

        @app.put("/busy", operation_id="busy")
        def busy() -> Any:
            return JSONResponse({"detail": "later"}, 503, {"Retry-After": "7"})

        @app.post("/broken", operation_id="broken")
        def broken() -> Any:
            self.counts["broken"] += 1
            raise HTTPException(502, "nobody knows")

        @app.get("/long", operation_id="long")
        def long() -> Any:
            return PlainTextResponse("z" * 3_000_000)

        @app.get("/echo", operation_id="echo")
        def echo(request: Request) -> Any:
            return {"url": str(request.url), "key": request.headers.get("x-key")}

        self.document = app.openapi()
        return app


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    shop.port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(shop.app(), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield shop
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    async with sandboxed(tmp_path, "127.0.0.1") as hands:
        yield hands


def imported(shop: Shop, choices: Choices | None = None, **origin: Any) -> ImportedApi:
    document = read_document(json.dumps(shop.document), "the shop")
    where = OpenApiOrigin(server=server_of(document, f"http://127.0.0.1:{shop.port}", None), **origin)
    return import_openapi("shop", document, where, choices or Choices(), {})


def tools_of(found: ImportedApi) -> dict[str, Tool]:
    return {one.name: one for one in openapi_tools("openapi:shop", found.origin, KeySecret())}


@pytest.fixture
def tools(shop: Shop) -> dict[str, Tool]:
    return tools_of(imported(shop))


def document_with(paths: Any, **more: Any) -> Any:
    content = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **more}
    return read_document(json.dumps(content), "api.json")


def only_operation(operation: Any, path: str = "/a", method: str = "get", **more: Any) -> ImportedApi:
    origin = OpenApiOrigin(server="https://api.example.org")
    return import_openapi("api", document_with({path: {method: operation}}, **more), origin, Choices(), {})


def test_a_real_document_of_hundreds_of_operations_becomes_tools() -> None:
    document = read_document(TEMPORAL.read_text(), TEMPORAL.name)

    found = import_openapi("temporal", document, OpenApiOrigin(server="http://127.0.0.1:7243"), Choices(), {})

    tools = tools_of(found)
    assert (len(tools) > 200, found.left_out) == (True, ())
    start = tools["temporal.start_workflow_execution"]
    assert start.manifest.contract == "at-most-once"
    assert tools["temporal.list_namespaces"].manifest.contract == "safe-to-retry"
    with pytest.raises(BadArguments, match=r"`body.workflowRunTimeout`: it must match the pattern"):
        start.parse({"namespace": "default", "workflowId": "w", "body": {"workflowRunTimeout": "soon"}})


async def test_an_operation_is_called_with_path_query_and_body(
    hands: Hands, tools: dict[str, Tool], shop: Shop
) -> None:
    one = await hands.use(tools["shop.get_item"], item_id="b c", with_parts=True, tag=["x", "y z"])
    added = await hands.use(tools["shop.add_item"], body={"name": "chair", "parts": [{"name": "leg"}]})

    assert one["body"] == {"id": "b c", "with_parts": True, "tags": ["x", "y z"]}
    assert (added["status"], added["body"]["name"], added["body"]["parts"]) == (201, "chair", 1)
    assert shop.counts["add"] == 1
    assert hands.needs(tools["shop.get_item"], item_id="1") == [f"net.connect:127.0.0.1:{shop.port}"]


async def test_arguments_are_checked_by_the_documents_schemas_before_anything_is_sent(
    tools: dict[str, Tool],
) -> None:
    with pytest.raises(BadArguments, match=r"`body.parts.0`: `name` must be given"):
        tools["shop.add_item"].parse({"body": {"name": "chair", "parts": [{"price": 2}]}})
    with pytest.raises(BadArguments, match="`colour`: there is no such argument"):
        tools["shop.get_item"].parse({"item_id": "1", "colour": "red"})


def test_what_a_crash_means_follows_from_the_method_and_from_an_idempotency_key(tools: dict[str, Tool]) -> None:
    contracts = {name: one.manifest.contract for name, one in tools.items()}

    assert contracts["shop.get_item"] == contracts["shop.remove_item"] == contracts["shop.busy"] == "safe-to-retry"
    assert contracts["shop.add_item"] == "at-most-once"
    assert contracts["shop.order"] == "keyed"
    assert tools["shop.remove_item"].manifest.danger == "high"


async def test_a_keyed_operation_gets_the_same_key_each_time(hands: Hands, tools: dict[str, Tool], shop: Shop) -> None:
    with pytest.raises(Unanswered, match="answered 500"):
        await hands.use(tools["shop.order"], amount=500)
    await hands.use(tools["shop.order"], amount=5)

    first, second = shop.keys[-2:]
    assert first
    assert second
    assert first != second
    assert "idempotency" not in json.dumps(tools["shop.order"].manifest.input)


async def test_what_the_api_answers_badly_is_told_as_what_it_means(
    hands: Hands, tools: dict[str, Tool], shop: Shop
) -> None:
    with pytest.raises(ToolError, match=r"answered 404 Not Found: .*there is no item 7"):
        await hands.use(tools["shop.remove_item"], item_id="7")
    with pytest.raises(Unavailable) as busy:
        await hands.use(tools["shop.busy"])
    with pytest.raises(NoAnswer, match="It may have been done"):
        await hands.use(tools["shop.broken"])

    assert busy.value.retry_after is not None
    assert busy.value.retry_after.total_seconds() == 7
    assert shop.counts["broken"] == 1


async def test_a_long_answer_is_cut_and_says_so(hands: Hands, tools: dict[str, Tool]) -> None:
    answer = await hands.use(tools["shop.long"])

    assert (len(answer["body"]), answer["is_cut"]) == (600_000, True)


async def test_secrets_are_sent_and_come_back_as_references(hands: Hands, shop: Shop) -> None:
    tools = tools_of(imported(shop, headers={"X-Key": "secret://shop-key"}, query={"token": "secret://shop-key"}))

    answer = await hands.use(tools["shop.echo"])

    assert answer["body"]["key"] == "secret://shop-key"
    assert "canary" not in json.dumps(answer)
    assert hands.needs(tools["shop.echo"])[1] == "secrets.use:shop-key"


def test_a_server_at_a_private_address_is_refused(shop: Shop, tmp_path: Path) -> None:
    tools = tools_of(imported(shop))
    gone = [one for one in tools.values() if one.name == "shop.get_item"]

    async def call() -> None:
        async with sandboxed(tmp_path) as hands:  # whose operator has not exempted the private address
            await hands.use(gone[0], item_id="1")

    with pytest.raises(Rejected, match="its address is of loopback"):
        asyncio.run(call())


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_an_argument_cannot_lead_to_another_operation(shop: Shop, value: str) -> None:
    found = imported(shop)
    operation = next(one for one in found.origin.tools if one.manifest.name == "shop.get_item")

    with pytest.raises(BadArguments, match="would be another path"):
        request_of(found.origin, operation, {"item_id": value}, "key")
    asked = request_of(found.origin, operation, {"item_id": "../../admin?x=1#y"}, "key")
    assert asked.url.endswith("/items/..%2F..%2Fadmin%3Fx%3D1%23y")


def test_parameters_are_written_in_the_styles_of_the_standard() -> None:
    parameters = [
        {"name": "ids", "in": "query", "schema": {"type": "array"}, "explode": False},
        {"name": "piped", "in": "query", "schema": {"type": "array"}, "style": "pipeDelimited", "explode": False},
        {"name": "filter", "in": "query", "schema": {"type": "object"}, "style": "deepObject"},
        {"name": "where", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
        {"name": "id", "in": "path", "schema": {"type": "integer"}},
        {"name": "id", "in": "query", "schema": {"type": "integer"}},
    ]
    found = only_operation({"parameters": parameters}, "/a/{id}")
    given = {
        "ids": [1, 2], "piped": ["a", "b"], "filter": {"k": "v"}, "where": {"n": 1}, "session": "s;1", "X-Trace": "t",
        "id": 7, "id_query": 8,
    }  # fmt: skip

    asked = request_of(found.origin, found.origin.tools[0], given, "key")

    assert asked.url == (
        "https://api.example.org/a/7?ids=1%2C2&piped=a%7Cb&filter%5Bk%5D=v&where=%7B%22n%22%3A+1%7D&id=8"
    )
    assert (asked.headers["Cookie"], asked.headers["X-Trace"]) == ("session=s%3B1", "t")


def test_words_of_version_3_0_are_understood() -> None:
    schema = {
        "type": "object",
        "required": ["id", "size"],
        "properties": {
            "id": {"type": "string", "readOnly": True},
            "size": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            "self": {"$ref": "#/components/schemas/Thing"},
            "code": {"type": "string", "pattern": "^(?!x)"},
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    found = only_operation({"requestBody": body}, method="post", components={"schemas": {"Thing": schema}})
    tool = tools_of(found)["api.post_a"]

    tool.parse({"body": {"size": None, "self": {"size": 2}, "code": "x"}})
    with pytest.raises(BadArguments, match=r"`body.self.size`: it must be more than 0"):
        tool.parse({"body": {"size": 1, "self": {"size": 0}}})


def test_another_path_under_the_same_name_is_another_version() -> None:
    before = only_operation({"operationId": "x"}, "/a").origin.tools[0].manifest
    document = document_with({"/b": {"get": {"operationId": "x"}}})
    known = {before.name: [(before.version, before.digest)]}

    after = import_openapi("api", document, OpenApiOrigin(server="https://api.example.org"), Choices(), known)

    assert (before.version, after.origin.tools[0].manifest.version) == ("1.0.0", "2.0.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "it has no `openapi` at its top"),
        ('{"swagger": "2.0", "paths": {}}', "convert it to OpenAPI 3 first"),
        ('{"openapi": "4.0", "paths": {}}', "versions 3.0 and 3.1 can be read"),
        ('{"openapi": "3.1.0"}', "has no `paths`"),
        ('{"openapi": ', "is not JSON"),
        ("openapi: 3.1.0\npaths: {a: [", "line 2, column"),
        ("a: &x [1]\nb: [*x, *x]", "an alias"),
    ],
)
def test_what_is_no_document_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(BadDocument) as refused:
        read_document(text, "api.yaml")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"parameters": [{"$ref": "https://evil.example/p.json"}]}, "nothing is fetched"),
        ({"parameters": [{"$ref": "#/components/no"}]}, "which is not in it"),
        ({"parameters": [{"$ref": "#/components/loop"}]}, "lead from one to the next"),
        ({"requestBody": {"content": {"image/png": {}}}}, "its body can only be image/png"),
        ({"requestBody": {"content": {"application/json": {"schema": {"type": "thing"}}}}}, "the schema of api."),
    ],
)
def test_an_operation_that_cannot_be_a_tool_is_left_out_and_told(operation: Any, said: str) -> None:
    found = only_operation(operation, components={"loop": {"$ref": "#/components/loop"}})

    assert found.origin.tools == ()
    assert said in found.left_out[0]


def test_where_the_server_is_must_be_said_somewhere() -> None:
    variables = {"servers": [{"url": "https://{region}.example.org/v1/", "variables": {"region": {"default": "eu"}}}]}

    assert server_of(document_with({}, **variables), None, None) == "https://eu.example.org/v1"
    assert server_of(document_with({}), None, "https://api.example.org/docs/openapi.json") == "https://api.example.org"
    with pytest.raises(BadDocument, match="Say it with --server URL"):
        server_of(document_with({}), None, None)
