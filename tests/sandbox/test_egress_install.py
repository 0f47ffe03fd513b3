"""The package installer, in a network namespace with nothing in it, against the package index of this machine.

Which index that is, pip says: its name stands in no file of ours. Where it cannot be reached there is nothing to test.
"""

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from resprout.activities.sandbox.egress.addresses import special
from resprout.activities.sandbox.egress.gate import Gate
from resprout.activities.sandbox.egress.meter import Connection
from support.gates import can_unshare, run_alone

SMALL = "iniconfig"  # a package of 6 KB without dependencies
PIP = (sys.executable, "-m", "pip")
ALONE = ("--no-cache-dir", "--no-deps", "--retries", "1", "--disable-pip-version-check", "--timeout", "15")


@dataclass(frozen=True)
class Index:
    url: str
    hosts: tuple[str, ...]  # of the index, and of the files that it links to

    @property
    def net(self) -> tuple[str, ...]:
        return tuple(f"{host}:443" for host in self.hosts)


def pip_says(*arguments: str) -> str:
    done = subprocess.run([*PIP, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def index() -> Index:
    default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    url = (
        pip_says("config", "get", "global.index-url")
        or subprocess.run(
            [sys.executable, "-c", default], capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()
    )
    page = f"{url.rstrip('/')}/{SMALL}/"
    links = links_of(page)
    if links is None:
        pytest.skip("the package index of this machine cannot be reached")
    hosts = {urlsplit(urljoin(page, link)).hostname or "" for link in [page, *links]}
    if urlsplit(url).scheme != "https" or not all(hosts):
        pytest.skip("the package index of this machine is no HTTPS server")
    return Index(url, tuple(sorted(hosts)))


def links_of(page: str) -> list[str] | None:
    """None: it cannot be reached. That one answer is slow does not say so."""
    for _ in range(3):
        with suppress(urllib.error.URLError, TimeoutError), urllib.request.urlopen(page, timeout=15) as answer:
            return re.findall(r'href="([^"]+)"', answer.read().decode())
    return None


def private(hosts: Sequence[str]) -> list[str]:
    """Those which an operator of this machine would have to exempt."""
    found = {host: {str(answer[4][0]) for answer in socket.getaddrinfo(host, 443)} for host in hosts}
    return [host for host, addresses in found.items() if not all(map(is_public, addresses))]


def is_public(address: str) -> bool:
    return special(ip_address(address)) is None


@pytest.mark.skipif(not can_unshare(), reason="this machine lets nobody make a network namespace")
async def test_pip_installs_through_the_gate_what_comes_from_a_listed_index(tmp_path: Path, index: Index) -> None:
    records: list[Connection] = []
    command = (*PIP, "install", *ALONE, "--index-url", index.url, "--target", str(tmp_path / "here"), SMALL)
    async with Gate(index.net, tmp_path, records.append, exempt=private(index.hosts)) as path:
        code, said = await run_alone(path, *command, env=bare(tmp_path))

    assert code == 0, said
    assert (tmp_path / "here" / SMALL / "__init__.py").exists()
    assert {record.host for record in records} == set(index.hosts)
    assert all(record.allowed and record.received > record.sent > 0 for record in records)


@pytest.mark.skipif(not can_unshare(), reason="this machine lets nobody make a network namespace")
async def test_pip_is_refused_an_index_that_is_not_listed_and_shows_why(tmp_path: Path, index: Index) -> None:
    records: list[Connection] = []
    command = (*PIP, "download", *ALONE, "--index-url", index.url, "--dest", str(tmp_path / "here"), SMALL)
    async with Gate(["example.org:443"], tmp_path, records.append, exempt=index.hosts) as path:
        code, said = await run_alone(path, *command, env=bare(tmp_path))

    assert code != 0
    assert "is not listed: this sandbox may reach example.org:443" in said
    assert records
    assert not any(record.allowed for record in records)


def bare(directory: Path) -> dict[str, str]:
    """Nothing of this machine's own sources of packages but the certificates."""
    return {"PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "HOME": str(directory)}
