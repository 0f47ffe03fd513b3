"""The Docker engine, spoken to by docker-py from a bounded pool of threads; its errors become ours here, once.

One conversation is not docker-py's: `execute` takes over the connection of an exec. docker-py reads ahead into a buffer
that it does not hand on, and would need a thread for as long as the run lasts.
"""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.errors import NotFound as DockerNotFound
from docker.utils import parse_host

from ..backend import NoSandbox

T = TypeVar("T")

THREADS = 8
TIMEOUT = 60
FACTS_HOLD = 30.0


class Gone(NoSandbox):
    """No such container, exec or image."""


class NameTaken(NoSandbox):
    """A container of this name is already there, or it is in another state than this call needs."""


class Engine:
    def __init__(self, url: str = "unix:///var/run/docker.sock") -> None:
        self.url = url
        self._threads = ThreadPoolExecutor(THREADS, "docker")
        self._api: APIClient | None = None
        self._connecting = asyncio.Lock()
        self._facts: dict[str, Any] | None = None
        self._asked = 0.0

    @property
    def is_near(self) -> bool:
        """It sees the files of this machine: what is far cannot be had by a socket's path."""
        return self.url.startswith("unix://")

    async def call(self, request: Callable[[APIClient], T]) -> T:
        api = await self._connected()
        return await self._in_thread(lambda: request(api))

    async def facts(self) -> dict[str, Any]:
        """What it can do and who it is, not older than a while: to ask costs as much as half a run."""
        now = time.monotonic()
        if self._facts is None or now - self._asked > FACTS_HOLD:
            self._facts, self._asked = dict(await self.call(lambda api: api.info())), now
        return self._facts

    async def execute(self, exec_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Starts an exec and becomes its two ends: what is read is framed as `frames.py` says."""
        api = await self._connected()
        reader, writer = await self._connect()
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        head = (
            f"POST /v{api.api_version}/exec/{exec_id}/start HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\n"
            f"Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            _check_upgraded(await reader.readuntil(b"\r\n\r\n"))
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            lost = NoSandbox(f"The Docker engine at {self.url} hung up: see its log.")
            lost.may_have_begun = True
            raise lost from error
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def close(self) -> None:
        if self._api is not None:
            self._api.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = urlsplit(str(parse_host(self.url)))
        try:
            if address.scheme in ("unix", "http+unix"):
                return await asyncio.open_unix_connection(address.path)
            return await asyncio.open_connection(address.hostname, address.port)
        except OSError as error:
            raise self._away() from error

    def _away(self) -> NoSandbox:
        return NoSandbox(f"No Docker engine answers at {self.url}: start one, or choose the isolation `process`.")

    async def _connected(self) -> APIClient:
        async with self._connecting:
            if self._api is None:
                if not self.url.startswith(("unix://", "tcp://")):
                    raise NoSandbox(f"{self.url} is no engine we can speak to: write unix:///path or tcp://host:port.")
                self._api = await self._in_thread(
                    lambda: APIClient(base_url=self.url, version="auto", timeout=TIMEOUT, num_pools=THREADS)
                )
        return self._api

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except DockerNotFound as error:
            raise Gone(str(error.explanation)) from error
        except APIError as error:
            if error.status_code in (304, 409):
                raise NameTaken(str(error.explanation)) from error
            raise NoSandbox(f"The Docker engine refused: {str(error.explanation).strip()}.") from error
        except (requests.RequestException, DockerException) as error:
            raise self._away() from error


def _check_upgraded(answer: bytes) -> None:
    said = answer.decode("latin-1")
    status = int(said.split()[1])
    if status not in (101, 200):
        raise NameTaken(said) if status == 409 else Gone(said)
