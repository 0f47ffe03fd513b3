"""A gate with servers behind it, and clients that say exactly what a test wants said."""

import asyncio
import os
import ssl
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import randbelow

from resprout.activities.sandbox.egress.gate import Gate
from resprout.activities.sandbox.egress.inside import FORWARDER, environment
from resprout.activities.sandbox.egress.meter import Bounds, Connection

SHOP = "shop.test"
PATIENCE = 20
Serve = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """A server on this machine. Names lead to it by the resolver of the test."""

    port: int
    address: str = "127.0.0.1"
    heard: list[bytes] = field(default_factory=list)

    @property
    def listed(self) -> str:
        return f"{SHOP}:{self.port}"


@dataclass
class Outlet:
    """An open gate."""

    path: str
    gate: Gate
    audited: asyncio.Queue[Connection]
    looked_up: list[str]

    async def says(self, *parts: bytes) -> bytes:
        """All that comes back, until the gate closes."""
        reader, writer = await self.connected()
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(PATIENCE):
                return await reader.read(-1)
        finally:
            writer.close()

    async def connected(self) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def tunnel(self, to: str) -> tuple[StreamReader, StreamWriter]:
        reader, writer = await self.connected()
        writer.write(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def record(self) -> Connection:
        """Of the connection that ended next."""
        async with asyncio.timeout(PATIENCE):
            return await self.audited.get()


@asynccontextmanager
async def outlet(
    directory: Path,
    *net: str,
    answers: Sequence[str] | Callable[[], Sequence[str]] = ("127.0.0.1",),
    exempt: Sequence[str] = (SHOP,),
    **bounds: object,
) -> AsyncIterator[Outlet]:
    """`answers` are what a name is found to have, whichever it is."""
    audited = asyncio.Queue[Connection]()
    looked_up: list[str] = []

    async def resolve(name: str, port: int) -> Sequence[str]:
        looked_up.append(name)
        return answers() if callable(answers) else answers

    limits = replace(Bounds(), **bounds)  # type: ignore[arg-type]
    gate = Gate(net, directory, audited.put_nowait, exempt=exempt, bounds=limits, resolve=resolve)
    async with gate as path:
        yield Outlet(path, gate, audited, looked_up)


@asynccontextmanager
async def site(
    serve: Serve | None = None, *, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """Without `serve`, it answers each request head with what it heard, and closes."""
    here = Site(port, address)

    async def echo(reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        here.heard.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))

    async def served(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await (serve or echo)(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            here.heard.append(b"cut")
        finally:
            writer.close()

    async with await asyncio.start_server(served, address, port, ssl=tls, limit=1 << 20) as server:
        here.port = server.sockets[0].getsockname()[1]
        yield here


def a_loopback_address() -> str:
    """Of our own, so that port 443 of it is free."""
    return f"127.{64 + randbelow(64)}.{randbelow(256)}.{1 + randbelow(254)}"


@dataclass(frozen=True)
class Certificate:
    file: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


def certificate(directory: Path, name: str = SHOP) -> Certificate:
    made = Certificate(directory / "cert.pem", directory / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(made.key), "-out", str(made.file)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True, timeout=30)
    return made


def greeting(name: str | None, *, alpn: Sequence[str] = ()) -> bytes:
    """What OpenSSL says first to the server of this name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake needs two")


def can_unshare() -> bool:
    command = [*_alone(), "true"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


async def run_alone(socket_path: str, *command: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """A real program without any network but loopback, and the gate: exit code and all that it said."""
    forwarded = [sys.executable, "-I", "-S", str(FORWARDER), socket_path, *command]
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *forwarded]
    process = await asyncio.create_subprocess_exec(
        *_alone(),
        *inside,
        env={**os.environ, **environment(), **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(90):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def _alone() -> list[str]:
    return ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
