"""Real programs in a network namespace with nothing in it find their way through the forwarder and the gate."""

import asyncio
import shutil
import sys
from asyncio import StreamReader, StreamWriter
from pathlib import Path

import pytest
from resprout.activities.sandbox.egress.inside import environment, forwarder
from support.gates import SHOP, a_loopback_address, can_unshare, certificate, outlet, run_alone, site

pytestmark = pytest.mark.skipif(not can_unshare(), reason="this machine lets nobody make a network namespace")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("curl")
async def test_curl_reaches_what_is_listed_and_is_told_what_is_not(tmp_path: Path) -> None:
    async with site() as there, outlet(tmp_path, there.listed) as out:
        code, said = await run_alone(out.path, "curl", "-sS", f"http://{there.listed}/shelf")
        refused, why = await run_alone(out.path, "curl", "-sS", "http://evil.test/")

    assert (code, said.splitlines()[0]) == (0, "GET /shelf HTTP/1.1")
    assert refused == 0
    assert why.startswith(f"`evil.test:80` is not listed: this sandbox may reach {there.listed}")


@needs("curl")
async def test_curl_speaks_tls_through_the_gate(tmp_path: Path) -> None:
    address, made = a_loopback_address(), certificate(tmp_path)
    trust = ("--cacert", str(made.file))
    async with (
        site(address=address, port=443, tls=made.server()),
        outlet(tmp_path, f"{SHOP}:443", answers=[address]) as out,
    ):
        code, said = await run_alone(out.path, "curl", "-sS", *trust, f"https://{SHOP}/")
        refused, why = await run_alone(out.path, "curl", "-sS", "https://evil.test/")

    assert code == 0, said
    assert "GET / HTTP/1.1" in said
    assert refused != 0
    assert "403" in why


@needs("git")
async def test_git_is_refused_by_the_gate_and_not_by_a_missing_network(tmp_path: Path) -> None:
    async with outlet(tmp_path, f"{SHOP}:443") as out:
        code, said = await run_alone(out.path, "git", "ls-remote", "https://evil.test/x.git")

        assert code != 0
        assert "403" in said
        assert (await out.record()).host == "evil.test"


@needs("npm")
async def test_npm_is_refused_by_the_gate_and_not_by_a_missing_network(tmp_path: Path) -> None:
    env = {"npm_config_cache": str(tmp_path / "npm"), "npm_config_fetch_retries": "0"}
    async with outlet(tmp_path, f"{SHOP}:443") as out:
        command = ("npm", "view", "left", "--registry", "https://evil.test/")
        code, _ = await run_alone(out.path, *command, env=env)

        assert code != 0
        assert (await out.record()).host == "evil.test"


async def test_there_is_no_way_around_the_gate(tmp_path: Path) -> None:
    tries = (
        "import socket\n"
        "for to in (('127.0.0.1', PORT), ('8.8.8.8', 53), ('10.0.0.1', 80), ('169.254.169.254', 80)):\n"
        "    try: socket.create_connection(to, 2)\n"
        "    except OSError as error: print(error.errno is not None)\n"
        "try: socket.getaddrinfo('example.org', 80)\n"
        "except OSError: print('no names')\n"
    )
    async with site() as there, outlet(tmp_path, there.listed) as out:
        _, said = await run_alone(out.path, sys.executable, "-c", tries.replace("PORT", str(there.port)))

    assert said.split("\n")[:5] == ["True"] * 4 + ["no names"]


async def test_the_command_keeps_its_exit_code_and_its_output_ends_with_it(tmp_path: Path) -> None:
    async with outlet(tmp_path) as out:
        assert await run_alone(out.path, "sh", "-c", "echo done; exit 7") == (7, "done\n")
        assert await run_alone(out.path, "no-such-program") == (
            127,
            "no-such-program cannot be started: No such file or directory.\n",
        )


async def test_a_command_of_the_forwarder_can_be_cut_by_a_pipe_as_usual(tmp_path: Path) -> None:
    async with outlet(tmp_path) as out:
        assert await run_alone(out.path, "bash", "-c", "yes | head -1; echo ${PIPESTATUS[0]}") == (0, "y\n141\n")


async def test_many_connections_with_much_in_both_directions_come_through_whole(tmp_path: Path) -> None:
    async def mirror(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()

    clients = (
        "import os, socket, threading\n"
        "def run():\n"
        "    data = os.urandom(1 << 20)\n"
        "    s = socket.create_connection(('127.0.0.1', 3128))\n"
        "    s.sendall(b'CONNECT TO HTTP/1.1\\r\\nHost: TO\\r\\n\\r\\n')\n"
        "    f = s.makefile('rb'); assert b'200' in f.readline(); assert f.readline() == b'\\r\\n'\n"
        "    def send(): s.sendall(b'x' + data); s.shutdown(socket.SHUT_WR)\n"
        "    t = threading.Thread(target=send); t.start()\n"
        "    print(f'{f.read() == b\"x\" + data}\\n', end=''); t.join()\n"
        "threads = [threading.Thread(target=run) for _ in range(20)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n"
    )
    async with site(mirror) as there, outlet(tmp_path, there.listed) as out:
        code, said = await run_alone(out.path, sys.executable, "-c", clients.replace("TO", there.listed))
        records = [await out.record() for _ in range(20)]

    assert (code, said) == (0, "True\n" * 20)
    assert {(record.sent, record.received) for record in records} == {((1 << 20) + 1, (1 << 20) + 1)}


async def test_where_the_gate_has_gone_a_connection_is_closed_and_the_next_is_tried(tmp_path: Path) -> None:
    async with outlet(tmp_path) as out:
        path = out.path

    async with asyncio.timeout(30):
        code, said = await run_alone(path, "curl", "-sS", "http://evil.test/")

    assert code != 0
    assert "curl" in said


def test_the_script_stands_alone() -> None:
    assert "from ." not in forwarder()


def test_nothing_is_excepted_from_the_proxy() -> None:
    told = environment()

    assert told["https_proxy"] == told["HTTP_PROXY"] == "http://127.0.0.1:3128"
    assert told["no_proxy"] == told["NO_PROXY"] == ""
