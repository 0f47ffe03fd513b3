"""Requests that tools make, from a real sandbox through its gate to a real server."""

from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from resprout.activities.sandbox.backend import NoSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.tools.builtin import http, http_changes
from resprout.activities.tools.run_sandbox import CallSandbox
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from resprout.activities.tools.web import NoAnswer, Unanswered
from resprout.actors.errors import Rejected
from support.gates import certificate
from support.gates import site as tls_site
from support.tool_calls import Hands, NoSecrets, sandboxed
from support.tool_calls import hands as bare_hands
from support.web_site import HOST, Heard, Page, Said, Website, website


def echo(heard: Heard) -> Said:
    return Said(heard.body, heard.headers.get("content-type", "none/at-all"))


@pytest.fixture
def site() -> Iterator[Website]:
    pages: dict[str, Page] = {
        "/hello": Said("Grüße", headers={"X-Kind": "greeting"}),
        "/data": Said('{"n": 42}', "application/json"),
        "/picture": Said(bytes(range(256)), "image/png"),
        "/echo": echo,
        "/long": Said(b"a" * 3_000_000),
        "/moved": Said(status=302, headers={"Location": "/hello"}),
        "/circle": Said(status=302, headers={"Location": "/circle"}),
        "/away": Said(status=301, headers={"Location": "https://elsewhere.example/new"}),
        "/gone": Said("It was here once.", status=410),
        "/silent": Said(hangs_up=True),
    }
    with website(pages) as site:
        yield site


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    async with sandboxed(tmp_path, HOST) as hands:
        yield hands


async def test_a_page_is_got_with_its_status_and_headers(hands: Hands, site: Website) -> None:
    answer = await hands.use(http.get, url=site.url("/hello"), params={"q": "a b&c"}, headers={"X-From": "ada"})

    assert (answer["status"], answer["text"], answer["headers"]["x-kind"]) == (200, "Grüße", "greeting")
    assert site.heard[0].path == "/hello?q=a+b%26c"
    assert site.heard[0].headers["x-from"] == "ada"


async def test_what_is_no_text_is_shown_as_base64_and_what_is_long_is_cut(hands: Hands, site: Website) -> None:
    picture = await hands.use(http.get, url=site.url("/picture"))
    long = await hands.use(http.get, url=site.url("/long"), most=10)

    assert (picture["text"], picture["base64"][:8], picture["size"]) == (None, "AAECAwQF", 256)
    assert (long["text"], long["is_cut"]) == ("a" * 10, True)


async def test_a_status_that_says_no_is_an_answer_too(hands: Hands, site: Website) -> None:
    answer = await hands.use(http.get, url=site.url("/gone"))

    assert (answer["status"], answer["text"]) == (410, "It was here once.")


async def test_a_redirect_is_followed_on_the_same_host_only(hands: Hands, site: Website) -> None:
    assert (await hands.use(http.get, url=site.url("/moved")))["url"] == site.url("/hello")
    with pytest.raises(ToolError, match=r"leads on to https://elsewhere\.example/new, which is another host"):
        await hands.use(http.get, url=site.url("/away"))
    with pytest.raises(ToolError, match="leads on more than 5 times"):
        await hands.use(http.get, url=site.url("/circle"))


async def test_only_the_host_of_the_url_may_be_reached_and_policy_is_asked_about_it(
    hands: Hands, site: Website
) -> None:
    assert hands.needs(http.get, url="https://Example.org/a b") == ["net.connect:example.org:443"]
    assert hands.needs(http.download, url=site.url("/x"), path="a/b") == [
        f"net.connect:{site.place}",
        "files.write:workspace:a/b",
    ]


async def test_a_private_address_that_no_operator_allows_is_refused(tmp_path: Path, site: Website) -> None:
    async with sandboxed(tmp_path) as hands:
        with pytest.raises(Rejected, match="its address is of loopback"):
            await hands.use(http.get, url=site.url("/hello"))
    assert site.heard == []


async def test_a_tunnel_is_refused_in_the_same_words(tmp_path: Path, site: Website) -> None:
    async with sandboxed(tmp_path) as hands:
        with pytest.raises(Rejected, match="its address is of loopback"):
            await hands.use(http_changes.post, url=site.url("/echo").replace("http:", "https:"), body="x")


async def test_a_server_that_speaks_no_tls_may_have_heard_something(hands: Hands, site: Website) -> None:
    with pytest.raises(NoAnswer, match="It may have been done"):
        await hands.use(http_changes.post, url=site.url("/echo").replace("http:", "https:"), body="x")


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certified = certificate(tmp_path, HOST)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nhi")

    async with sandboxed(tmp_path, HOST) as hands, tls_site(serve, tls=certified.server()) as there:
        with pytest.raises(ToolError, match="certificate"):
            await hands.use(http.get, url=f"https://{HOST}:{there.port}/")


async def test_nobody_is_there(hands: Hands) -> None:
    with pytest.raises(ToolError, match="could not be reached"):
        await hands.use(http.get, url="http://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/", "no URL of the web"),
        ("https://ada:secret@example.org/", "must not have a user or password"),
        ("https://exämple.org/", "write it in its xn-- form"),
        ("http://example.org:99999/", "no URL"),
    ],
)
async def test_what_is_no_url_is_refused(hands: Hands, url: str, said: str) -> None:
    with pytest.raises(BadArguments, match=said):
        await hands.use(http.get, url=url)


@pytest.mark.parametrize("headers", [{"Host": "other"}, {"A": "b\r\nC: d"}, {"A b": "c"}, {"Idempotency-Key": "mine"}])
async def test_a_header_that_is_not_the_callers_is_refused(hands: Hands, headers: dict[str, str]) -> None:
    with pytest.raises(BadArguments, match="header"):
        await hands.use(http.get, url="http://example.org/", headers=headers)


async def test_head_gives_no_body(hands: Hands, site: Website) -> None:
    head = await hands.use(http.head, url=site.url("/hello"))

    assert (head["status"], head["headers"]["content-length"]) == (200, "7")
    assert site.heard[0].method == "HEAD"
    with pytest.raises(ToolError, match="another host"):
        await hands.use(http.head, url=site.url("/away"))


async def test_json_is_read_and_what_is_none_is_said(hands: Hands, site: Website) -> None:
    assert await hands.use(http.get_json, url=site.url("/data")) == {"n": 42}
    with pytest.raises(ToolError, match="answers with text/plain that is no JSON"):
        await hands.use(http.get_json, url=site.url("/hello"))
    with pytest.raises(ToolError, match=r"answered 410 Gone: It was here once\.\.?"):
        await hands.use(http.get_json, url=site.url("/gone"))


async def test_a_download_lies_in_the_workspace(hands: Hands, site: Website) -> None:
    about = await hands.use(http.download, url=site.url("/long"), path="got/long.txt")

    assert (hands.workspace / "got/long.txt").read_bytes() == b"a" * 3_000_000
    assert (about["size"], about["type"]) == (3_000_000, "text/plain")


async def test_a_download_that_fails_writes_nothing(hands: Hands, site: Website) -> None:
    with pytest.raises(ToolError, match="answered 404"):
        await hands.use(http.download, url=site.url("/nowhere"), path="got/nothing")
    with pytest.raises(BadArguments, match=r"has `\.\.` in it"):
        await hands.use(http.download, url=site.url("/hello"), path="../out")

    assert list(hands.workspace.iterdir()) == []


@pytest.mark.parametrize(
    "tool", [http_changes.post, http_changes.put, http_changes.patch, http_changes.post_keyed], ids=lambda one: one.name
)
async def test_a_body_is_sent_with_a_key(hands: Hands, site: Website, tool: Tool) -> None:
    answer = await hands.use(tool, url=site.url("/echo"), body={"a": ["ü", None]})

    assert (answer["text"], answer["headers"]["content-type"]) == ('{"a": ["\\u00fc", null]}', "application/json")
    assert site.heard[0].method == tool.name.partition(".")[2].upper().partition("_")[0]
    assert len(site.heard[0].headers["idempotency-key"]) == 32


async def test_delete_is_sent(hands: Hands, site: Website) -> None:
    assert (await hands.use(http_changes.delete, url=site.url("/gone")))["status"] == 410
    assert site.heard[0].method == "DELETE"


async def test_a_text_is_sent_as_it_is_and_a_redirect_of_a_post_is_only_shown(hands: Hands, site: Website) -> None:
    text = await hands.use(http_changes.post, url=site.url("/echo"), body="a=1", headers={"content-type": "a/b+json"})
    moved = await hands.use(http_changes.post, url=site.url("/away"), body="a=1")

    assert (text["text"], text["headers"]["content-type"]) == ("a=1", "a/b+json")
    assert (moved["status"], moved["headers"]["location"]) == (301, "https://elsewhere.example/new")


@pytest.mark.parametrize(
    ("tool", "raised", "said"),
    [
        (http.get, ToolError, "answered what is no HTTP"),
        (http_changes.put, ToolError, "the same again does no harm"),
        (http_changes.delete, ToolError, "the same again does no harm"),
        (http_changes.post, NoAnswer, "It may have been done: look there"),
        (http_changes.patch, NoAnswer, "It may have been done: look there"),
        (http_changes.post_keyed, Unanswered, "sent again with the same key"),
    ],
    ids=lambda one: one.name if isinstance(one, Tool) else "",
)
async def test_no_answer_means_what_the_contract_says(
    hands: Hands, site: Website, tool: Tool, raised: type[Exception], said: str
) -> None:
    with pytest.raises(raised, match=said):
        await hands.use(tool, url=site.url("/silent"))


async def test_what_was_refused_at_the_gate_is_in_no_doubt(hands: Hands) -> None:
    with pytest.raises(ToolError, match="could not be reached"):
        await hands.use(http_changes.post, url="http://127.0.0.1:9/", body="x")


async def test_where_no_sandbox_can_be_had_nothing_was_sent(tmp_path: Path) -> None:
    boxes = Sandboxes({}, NoSecrets())
    hands = bare_hands(tmp_path, sandbox=CallSandbox(boxes, "key", "default"))

    with pytest.raises(ToolError, match="nothing was sent: no sandbox can run this"):
        await hands.use(http_changes.post, url="http://shop.example/", body="x")
    with pytest.raises(NoSandbox):  # which is tried again
        await hands.use(http.get, url="http://shop.example/")
