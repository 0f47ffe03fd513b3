"""A web server on loopback that answers what a test tells it to, and remembers what it heard."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Said:
    body: bytes | str = b""
    type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False  # in the middle of nothing


Page = Said | Callable[[Heard], Said]


@dataclass
class Website:
    port: int
    pages: dict[str, Page]
    heard: list[Heard] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://{HOST}:{self.port}{path}"

    @property
    def place(self) -> str:
        return f"{HOST}:{self.port}"


@contextmanager
def website(pages: dict[str, Page]) -> Iterator[Website]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard = Heard(self.command, self.path, headers, self.rfile.read(size))
            site.heard.append(heard)
            page = site.pages.get(self.path.partition("?")[0], Said("There is no such page.", status=404))
            self.say(page(heard) if callable(page) else page)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def say(self, said: Said) -> None:
            if said.hangs_up:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            body = said.body.encode() if isinstance(said.body, str) else said.body
            self.send_response(said.status)
            for name, value in {"Content-Type": said.type, "Content-Length": str(len(body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    site = Website(server.server_address[1], dict(pages))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
