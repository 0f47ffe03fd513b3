"""What is listed can be reached, by the means that programs use, and each connection is on record."""

import asyncio
from asyncio import StreamReader, StreamWriter
from pathlib import Path

import pytest
from resprout.activities.sandbox.egress.gate import Gate
from resprout.activities.sandbox.egress.meter import Bounds
from resprout.activities.sandbox.egress.proxy import REFUSED
from resprout.activities.sandbox.way_out import Connections, way_out
from resprout.actors.errors import BadArgument
from support.gates import (
    PATIENCE,
    SHOP,
    Certificate,
    Site,
    a_loopback_address,
    certificate,
    greeting,
    outlet,
    site,
)
from support.ports import free_port


def get(there: Site, *headers: str, path: str = "/") -> bytes:
    lines = [f"GET http://{there.listed}{path} HTTP/1.1", f"Host: {there.listed}", *headers, "", ""]
    return "\r\n".join(lines).encode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_a_listed_host_answers_and_the_connection_is_on_record(tmp_path: Path) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        answer = await out.says(get(there, path="/a?b=c"))
        record = await out.record()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert there.heard[0].startswith(f"GET /a?b=c HTTP/1.1\r\nHost: {there.listed}\r\n".encode())
    assert (record.host, record.port, record.address) == (SHOP, there.port, "127.0.0.1")
    assert (record.allowed, record.reason) == (True, "")
    assert record.sent == len(there.heard[0])
    assert record.received >= len(there.heard[0])
    assert 0 < record.seconds < PATIENCE


async def test_a_host_that_is_not_listed_is_refused_in_words(tmp_path: Path) -> None:
    async with outlet(tmp_path, "a.org:443", "*.b.org:80") as out:
        answer = await out.says(b"CONNECT evil.org:443 HTTP/1.1\r\nHost: evil.org:443\r\n\r\n")
        record = await out.record()

    said = "`evil.org:443` is not listed: this sandbox may reach a.org:443, *.b.org:80; add it to `net`"
    status, *headers = answer.decode().split("\r\n")
    assert status.startswith(f"HTTP/1.1 403 {said}")
    assert any(header.startswith(f"{REFUSED}: {said}") for header in headers)
    assert answer.decode().partition("\r\n\r\n")[2].startswith(said)
    assert (record.host, record.port, record.address, record.allowed) == ("evil.org", 443, None, False)
    assert record.reason.startswith(said)
    assert out.looked_up == []


async def test_real_tls_goes_through_and_the_server_is_who_it_says(tmp_path: Path, shop: Certificate) -> None:
    address = a_loopback_address()
    async with (
        site(address=address, port=443, tls=shop.server()),
        outlet(tmp_path, f"{SHOP}:443", answers=[address]) as out,
    ):
        reader, writer = await out.tunnel(f"{SHOP}:443")
        await writer.start_tls(shop.client(), server_hostname=SHOP)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = await reader.read(-1)
        writer.close()
        record = await out.record()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert (record.host, record.address, record.allowed, record.reason) == (SHOP, address, True, "")


async def test_a_client_that_sends_its_greeting_along_with_its_request_is_served(tmp_path: Path) -> None:
    async def count(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"%d" % len(await reader.read(-1)))

    hello = greeting(SHOP)
    async with site(count) as there, outlet(tmp_path, there.listed) as out:
        reader, writer = await out.connected()
        writer.write(f"CONNECT {there.listed} HTTP/1.0\r\n\r\n".encode() + hello)
        writer.write_eof()
        answer = await reader.read(-1)
        writer.close()

    assert answer.endswith(b"\r\n\r\n%d" % len(hello))


async def test_a_server_that_speaks_first_is_heard_on_other_ports(tmp_path: Path) -> None:
    async def ssh(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"SSH-2.0-server\r\n")
        writer.write(b"you said " + await reader.readline())

    async with site(ssh) as there, outlet(tmp_path, there.listed) as out:
        reader, writer = await out.tunnel(there.listed)
        assert await reader.readline() == b"SSH-2.0-server\r\n"
        writer.write(b"SSH-2.0-client\r\n")
        assert await reader.read(-1) == b"you said SSH-2.0-client\r\n"
        writer.close()


async def test_who_has_said_all_still_hears_the_answer(tmp_path: Path) -> None:
    async def sum_up(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"%d bytes" % len(await reader.read(-1)))

    async with site(sum_up) as there, outlet(tmp_path, there.listed) as out:
        reader, writer = await out.tunnel(there.listed)
        writer.write(b"x" * 300_000)
        writer.write_eof()
        assert await reader.read(-1) == b"300000 bytes"
        writer.close()
        record = await out.record()

    assert (record.sent, record.received, record.reason) == (300_000, 12, "")


async def test_a_body_goes_up_and_a_long_answer_comes_down(tmp_path: Path) -> None:
    async def mirror(reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"chunked" in head.lower()
        body = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    chunks = b"".join(b"4000\r\n" + bytes([65 + n]) * 0x4000 + b"\r\n" for n in range(20)) + b"0\r\n\r\n"
    async with site(mirror) as there, outlet(tmp_path, there.listed) as out:
        request = get(there, "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1)
        answer = await out.says(request, chunks)

    assert answer.count(b"T" * 0x4000) == 1
    assert answer.endswith(b"0\r\n\r\n")


async def test_a_client_that_waits_to_be_told_to_continue_is_told(tmp_path: Path) -> None:
    async def careful(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await reader.readexactly(4) == b"body"
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with site(careful) as there, outlet(tmp_path, there.listed) as out:
        reader, writer = await out.connected()
        writer.write(get(there, "Expect: 100-continue", "Content-Length: 4").replace(b"GET", b"PUT", 1))
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 204 ")
        writer.close()


async def test_a_redirect_is_the_matter_of_the_client(tmp_path: Path) -> None:
    async def elsewhere(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n")

    async with site(elsewhere) as there, outlet(tmp_path, there.listed) as out:
        answer = await out.says(get(there))

        assert b"Location: http://evil.test/" in answer
        assert out.looked_up == [SHOP]


async def test_what_is_between_neighbours_is_not_handed_on(tmp_path: Path) -> None:
    own = ("Proxy-Authorization: secret", "Connection: X-Own, Upgrade", "X-Own: 1", "Upgrade: websocket", "X-Kept: 1")
    async with site() as there, outlet(tmp_path, there.listed) as out:
        await out.says(get(there, *own))

    heard = there.heard[0].lower()
    assert b"x-kept: 1" in heard
    assert b"connection: close" in heard
    assert not any(word in heard for word in (b"secret", b"x-own", b"upgrade", b"websocket"))


async def test_a_reader_that_does_not_read_stops_the_server_and_not_us(tmp_path: Path) -> None:
    sent = 0

    async def flood(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
            sent += 1 << 16

    async with site(flood) as there, outlet(tmp_path, there.listed) as out:
        _, writer = await out.tunnel(there.listed)
        before = -1
        while before < sent:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.3)
        assert out.gate.meter.received < 8 << 20
        writer.close()
        record = await out.record()

    assert record.reason.startswith("The connection broke")
    assert there.port == record.port


async def test_a_server_that_is_not_there_is_said_to_be_unreachable(tmp_path: Path) -> None:
    port = free_port()
    async with outlet(tmp_path, f"{SHOP}:{port}") as out:
        answer = await out.says(f"CONNECT {SHOP}:{port} HTTP/1.1\r\nHost: {SHOP}\r\n\r\n".encode())
        record = await out.record()

    assert answer.startswith(f"HTTP/1.1 502 `{SHOP}:{port}` could not be reached: ".encode())
    assert (record.allowed, record.address) == (False, None)


async def test_a_name_without_an_address_is_said_to_have_none(tmp_path: Path) -> None:
    def nowhere() -> list[str]:
        raise OSError(-2, "Name or service not known")

    async with outlet(tmp_path, f"{SHOP}:80", answers=nowhere) as out:
        answer = await out.says(f"GET http://{SHOP}/ HTTP/1.1\r\nHost: {SHOP}\r\n\r\n".encode())

    assert b"502 `shop.test` has no address: Name or service not known." in answer


async def test_the_end_of_a_run_cuts_what_is_open_and_puts_it_on_record(tmp_path: Path) -> None:
    async with site(lambda reader, writer: reader.read(-1)) as there:  # type: ignore[arg-type, return-value]
        async with outlet(tmp_path, there.listed) as out:
            reader, writer = await out.tunnel(there.listed)
        record = await out.record()
        assert await reader.read(-1) == b""
        writer.close()

    assert record.reason == "The run ended."
    assert not Path(out.path).exists()


async def test_everybody_who_sees_the_socket_may_use_it(tmp_path: Path) -> None:
    async with outlet(tmp_path) as out:
        assert Path(out.path).stat().st_mode & 0o777 == 0o666


async def test_a_socket_left_behind_by_a_dead_process_is_replaced(tmp_path: Path) -> None:
    async with outlet(tmp_path) as first:
        left = Path(first.path)
        left.rename(tmp_path / "kept")
    (tmp_path / "kept").rename(left)

    async with outlet(tmp_path) as out:
        assert b" 403 " in await out.says(b"CONNECT a.org:443 HTTP/1.1\r\nHost: a.org\r\n\r\n")


def test_a_path_too_long_for_a_socket_is_refused_at_once() -> None:
    with pytest.raises(BadArgument, match="use a directory with a shorter path"):
        Gate([], Path("/tmp") / ("x" * 120), print)


async def test_the_gate_of_who_came_back_stays_when_the_old_one_closes() -> None:
    old, new = (way_out(("example.org:443",), "k", (), Connections("k"), Bounds()) for _ in range(2))
    await old.__aenter__()
    path = await new.__aenter__()

    await old.__aexit__(None, None, None)

    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET http://unlisted.example/ HTTP/1.1\r\nHost: unlisted.example\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()
    await new.__aexit__(None, None, None)
    assert not Path(path).parent.exists()
