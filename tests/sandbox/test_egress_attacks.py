"""What hostile code tries at the gate, and does not get."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from resprout.activities.sandbox.egress.hello import UNRECOGNIZED_NAME
from support.gates import PATIENCE, SHOP, Outlet, Site, a_loopback_address, greeting, outlet, site

SOON = timedelta(seconds=0.3)


def connect(to: str, *headers: str) -> bytes:
    return "\r\n".join([f"CONNECT {to} HTTP/1.1", f"Host: {to}", *headers, "", ""]).encode()


def post(there: Site, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST http://{there.listed}/ HTTP/1.1", f"Host: {there.listed}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def refused(out: Outlet, *said: bytes, status: int = 403) -> str:
    """The words of the refusal, which are the same to the client and on record."""
    answer = await out.says(*said)
    record = await out.record()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert answer.decode().partition("\r\n\r\n")[2] == f"{record.reason}\n"
    assert not record.allowed
    assert record.address is None
    return record.reason


ADDRESSES = "127.0.0.1 127.1 2130706433 0x7f000001 0x7f.0.0.1 0177.0.0.1 017700000001 169.254.169.254 8.8.8.8 8.8.8.8."


@pytest.mark.parametrize("address", ADDRESSES.split())
async def test_an_address_instead_of_a_name_is_refused_in_every_spelling(tmp_path: Path, address: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", "*.test:80") as out:
        assert "is an address and not listed" in await refused(out, connect(f"{address}:80"))
        assert out.looked_up == []


@pytest.mark.parametrize("address", ["[::1]:80", "[::ffff:127.0.0.1]:80", "[64:ff9b::7f00:1]:80", "[fe80::1%25lo]:80"])
async def test_an_ipv6_address_is_refused(tmp_path: Path, address: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80") as out:
        assert "IPv6 address" in await refused(out, f"CONNECT {address} HTTP/1.0\r\n\r\n".encode())


PRIVATE = (
    "127.0.0.1 10.0.0.1 172.17.0.1 192.168.1.1 100.64.0.1 169.254.169.254 0.0.0.0 224.0.0.1 ::1 fe80::1%lo fd00::1"
)


@pytest.mark.parametrize("address", [*PRIVATE.split(), "::ffff:a00:1", "64:ff9b::a00:1", "2002:a00:1::1", "::"])
async def test_a_listed_name_with_an_address_that_is_not_public_is_refused(tmp_path: Path, address: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", answers=[address], exempt=[]) as out:
        assert f"`{SHOP}` has the address {address}, which is" in await refused(out, connect(f"{SHOP}:80"))


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "ip6-localhost", "a.localhost"])
async def test_a_name_of_this_machine_is_refused_even_where_it_is_listed(tmp_path: Path, name: str) -> None:
    net = [f"{known}:80" for known in ("localhost", "ip6-localhost", "a.localhost")]
    async with outlet(tmp_path, *net, exempt=[]) as out:
        assert "which is of loopback" in await refused(out, connect(f"{name}:80"))


@pytest.mark.parametrize("answers", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2a00::1", "::ffff:8.8.8.8"]])
async def test_one_bad_address_among_good_ones_is_refused(tmp_path: Path, answers: list[str]) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", answers=answers, exempt=[]) as out:
        await refused(out, connect(f"{SHOP}:80"))


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "168.63.129.16"])
async def test_an_exempt_host_still_leads_to_no_metadata_and_no_disguise(tmp_path: Path, address: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", answers=[address]) as out:
        assert "no setting allows this" in await refused(out, connect(f"{SHOP}:80"))


async def test_the_exemption_of_one_host_is_none_for_another(tmp_path: Path) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", "other.test:80") as out:
        assert "an operator can exempt the host" in await refused(out, connect("other.test:80"))


async def test_a_name_that_changes_its_address_is_dialled_at_the_one_that_was_checked(tmp_path: Path) -> None:
    first, second = a_loopback_address(), a_loopback_address()
    answers = iter([[first], [second]])
    async with (
        site(address=first) as there,
        site(address=second, port=there.port) as trap,
        outlet(tmp_path, there.listed, answers=lambda: next(answers)) as out,
    ):
        await out.says(post(there, "Content-Length: 0"))
        record = await out.record()

    assert record.address == first
    assert out.looked_up == [SHOP]
    assert trap.heard == []


TARGETS = {
    "another port": f"{SHOP}:22",
    "a name with the listed one in front": f"{SHOP}.evil.test:80",
    "a name with the listed one behind": f"evil-{SHOP}:80",
    "a name beneath": f"www.{SHOP}:80",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
async def test_what_is_near_to_a_listed_host_is_not_listed(tmp_path: Path, target: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80") as out:
        assert "is not listed" in await refused(out, connect(target))
        assert out.looked_up == []


MALFORMED = {
    "user information": f"{SHOP}:80@evil.test:80",
    "a user": f"user@{SHOP}:80",
    "two dots at the end": f"{SHOP}..:80",
    "no name": ":80",
    "no port": SHOP,
    "port 0": f"{SHOP}:0",
    "a port too large": f"{SHOP}:65616",
    "a path": f"{SHOP}:80/x",
    "an escape": "shop%2etest:80",
    "a backslash": f"{SHOP}:80\\@evil.test",
    "a URL": f"http://{SHOP}:80/",
}


@pytest.mark.parametrize("target", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_target_with_two_readings_is_refused(tmp_path: Path, target: str) -> None:
    async with outlet(tmp_path, f"{SHOP}:80") as out:
        await refused(out, f"CONNECT {target} HTTP/1.0\r\n\r\n".encode(), status=400)
        assert out.looked_up == []


HEADS = {
    "another Host": "GET http://{0}/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "another port in Host": "GET http://{0}/ HTTP/1.1\r\nHost: shop.test:81\r\n\r\n",
    "a Host that ends like it": "GET http://{0}/ HTTP/1.1\r\nHost: x.{0}\r\n\r\n",
    "two Hosts": "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\nHost: evil.test\r\n\r\n",
    "no Host": "GET http://{0}/ HTTP/1.1\r\n\r\n",
    "a folded Host": "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n evil.test\r\n\r\n",
    "a space before the colon": "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length : 5\r\n\r\n",
    "another Host for a tunnel": "CONNECT {0} HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "a body for a tunnel": "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nContent-Length: 5\r\n\r\nhello",
    "no absolute target": "GET / HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "https without a tunnel": "GET https://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "another scheme": "GET ftp://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "a user in the URL": "GET http://a:b@{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "a fragment": "GET http://{0}#@evil.test/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "two lengths": "POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": (
        "POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a signed length": "POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length: +5\r\n\r\nhello",
    "no HTTP": "\x16\x03\x01\x02{0}\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
async def test_a_request_with_two_readings_is_refused(tmp_path: Path, head: str) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        await refused(out, head.format(there.listed).encode(), status=400)

    assert there.heard == []


@pytest.mark.parametrize("coding", ["xchunked", "chunked, identity", "identity", "gzip, chunked"])
async def test_a_body_in_an_unknown_coding_is_refused(tmp_path: Path, coding: str) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        await refused(out, post(there, f"Transfer-Encoding: {coding}"), status=501)


async def test_a_second_request_hidden_behind_the_first_is_not_sent(tmp_path: Path) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    async with site() as there, outlet(tmp_path, there.listed) as out:
        answer = await out.says(post(there, "Content-Length: 0") + hidden)

    assert answer.count(b"HTTP/1.1 200") == 1
    assert len(there.heard) == 1
    assert b"hidden" not in there.heard[0]


async def test_bare_line_feeds_and_odd_chunks_reach_the_server_as_plain_ones(tmp_path: Path) -> None:
    heard = b""

    async def listen(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with site(listen) as there, outlet(tmp_path, there.listed) as out:
        head = post(there, "Transfer-Encoding: chunked").replace(b"\r\n", b"\n")
        await out.says(head + b"005;x=y\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n")

    assert heard.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert b"\n" not in heard.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (greeting("evil.test"), "names `evil.test` instead"),
        (greeting(None), "does not name the server (SNI)"),
        (b"SSH-2.0-client\r\n", "is not TLS"),
        (b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "is not TLS"),
    ],
    ids=["another name", "no name", "SSH", "HTTP"],
)
async def test_a_tunnel_to_443_carries_tls_to_the_named_server_and_nothing_else(
    tmp_path: Path, first: bytes, why: str
) -> None:
    address, heard = a_loopback_address(), b""

    async def listen(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal heard
        heard = await reader.read(-1)

    async with site(listen, address=address, port=443), outlet(tmp_path, f"{SHOP}:443", answers=[address]) as out:
        reader, writer = await out.tunnel(f"{SHOP}:443")
        writer.write(first)
        answer = await reader.read(-1)
        writer.close()
        record = await out.record()

    assert answer == UNRECOGNIZED_NAME
    assert why in record.reason
    assert not record.allowed
    assert (record.sent, heard) == (0, b"")


async def test_the_name_is_compared_on_other_ports_too(tmp_path: Path) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        reader, writer = await out.tunnel(there.listed)
        hello = greeting("evil.test")
        writer.write(hello[:1])
        await writer.drain()
        writer.write(hello[1:])
        assert await reader.read(-1) == UNRECOGNIZED_NAME
        writer.close()

        assert not (await out.record()).allowed


async def test_a_greeting_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    address = a_loopback_address()
    async with (
        site(address=address, port=443),
        outlet(tmp_path, f"{SHOP}:443", answers=[address], head_time=SOON) as out,
    ):
        reader, writer = await out.tunnel(f"{SHOP}:443")
        writer.write(greeting(SHOP)[:50])
        await reader.read(-1)
        writer.close()

        assert "came in time" in (await out.record()).reason


async def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        huge = b"X-Huge: " + b"x" * 200_000
        await refused(out, post(there)[:-2] + huge, status=431)


async def test_a_request_that_comes_drop_by_drop_is_not_waited_for(tmp_path: Path) -> None:
    async with outlet(tmp_path, f"{SHOP}:80", head_time=SOON) as out:
        reader, writer = await out.connected()

        async def drip() -> None:
            while True:
                writer.write(b"G")
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        async with asyncio.timeout(PATIENCE):
            answer = await reader.readuntil(b"\r\n\r\n")
        dripping.cancel()
        writer.close()

        assert answer.startswith(b"HTTP/1.1 408 No whole request came in 0.3 s.")
        assert (await out.record()).host == ""


async def test_a_connection_in_which_nothing_moves_is_cut(tmp_path: Path) -> None:
    async def silent(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(-1)

    async with site(silent) as there, outlet(tmp_path, there.listed, idle_time=SOON) as out:
        reader, writer = await out.tunnel(there.listed)
        assert await reader.read(-1) == b""
        writer.close()

        assert (await out.record()).reason == "Nothing moved for 0.3 s."


async def test_a_probe_that_asks_for_nothing_is_on_record(tmp_path: Path) -> None:
    async with outlet(tmp_path) as out:
        assert await closes_at_once(out) == b""
        record = await out.record()

    assert (record.host, record.allowed, record.reason) == ("", False, "Nothing was asked for.")


async def closes_at_once(out: Outlet) -> bytes:
    reader, writer = await out.connected()
    writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    return answer


async def pour(writer: StreamWriter) -> None:
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def test_more_bytes_than_allowed_out_cut_the_connection_and_all_that_follow(tmp_path: Path) -> None:
    async def swallow(reader: StreamReader, writer: StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass

    async with site(swallow) as there, outlet(tmp_path, there.listed, sent=1 << 20) as out:
        _, writer = await out.tunnel(there.listed)
        with pytest.raises(ConnectionError):
            await pour(writer)
        writer.close()
        record = await out.record()
        said = "This sandbox has sent 1MB, which is all it may."

        assert record.reason == said
        assert record.allowed
        assert record.sent <= 1 << 20
        assert await refused(out, connect(there.listed)) == said


async def test_more_bytes_than_allowed_in_cut_the_connection(tmp_path: Path) -> None:
    async def flood(reader: StreamReader, writer: StreamWriter) -> None:
        await pour(writer)

    async with site(flood) as there, outlet(tmp_path, there.listed, received=1 << 20) as out:
        reader, writer = await out.tunnel(there.listed)
        got = await reader.read(-1)
        writer.close()
        record = await out.record()

    assert len(got) <= record.received <= 1 << 20
    assert record.reason == "This sandbox has received 1MB, which is all it may."


async def status_of(out: Outlet, said: bytes) -> bytes:
    """Empty: not even answered."""
    try:
        return (await out.says(said))[9:12]
    except ConnectionError:
        return b""


async def test_a_thousand_connections_at_once_are_bounded_and_the_first_ones_live_on(tmp_path: Path) -> None:
    async with (
        site() as there,
        outlet(tmp_path, there.listed, open=20, connections=500, head_time=timedelta(minutes=5)) as out,
    ):
        early = [await out.connected() for _ in range(20)]
        answers = await asyncio.gather(*(status_of(out, connect(there.listed)) for _ in range(980)))
        reader, writer = early[0]
        writer.write(post(there, "Content-Length: 0"))
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 200")
        for _, other in early:
            other.close()

    assert len(there.heard) == 1
    assert Counter(answers) == {b"503": 480, b"403": 1, b"": 499}
    assert out.audited.qsize() == 501
    assert out.gate.meter.open == 0


async def test_a_server_that_hides_a_second_answer_in_the_first_is_read_once(tmp_path: Path) -> None:
    async def twice(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    async with site(twice) as there, outlet(tmp_path, there.listed) as out:
        assert (await out.says(post(there, "Content-Length: 0"))).endswith(b"\r\n\r\nok")


async def test_a_server_that_answers_no_http_is_said_to(tmp_path: Path) -> None:
    async def odd(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"+OK nothing\r\n\r\n")

    async with site(odd) as there, outlet(tmp_path, there.listed) as out:
        answer = await out.says(post(there, "Content-Length: 0"))

    assert answer.startswith(f"HTTP/1.1 502 `{there.listed}` answered what is no HTTP".encode())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 200_000,
        b"\x00" * 500,
    ],
)
async def test_a_server_that_answers_badly_breaks_its_own_connection_only(tmp_path: Path, answer: bytes) -> None:
    async def bad(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with site(bad) as there, outlet(tmp_path, there.listed) as out:
        await out.says(post(there, "Content-Length: 0"))

        assert "answered what is no HTTP" in (await out.record()).reason


async def test_a_client_of_the_old_protocol_gets_the_answer_without_news_of_it(tmp_path: Path) -> None:
    async def careful(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"2\r\nok\r\n0\r\n\r\n")

    async with site(careful) as there, outlet(tmp_path, there.listed) as out:
        answer = await out.says(f"GET http://{there.listed}/ HTTP/1.0\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok")


async def test_who_does_not_wait_for_the_refusal_is_on_record_with_it(tmp_path: Path) -> None:
    async with outlet(tmp_path, f"{SHOP}:80") as out:
        _, writer = await out.connected()
        writer.write(connect("evil.test:443"))
        writer.transport.abort()

        assert "`evil.test:443` is not listed" in (await out.record()).reason
