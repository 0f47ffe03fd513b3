"""What one run in a container gives back: output while it comes, files that are safe, and how it ended."""

import asyncio
import io
import socket
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from docker import APIClient
from resprout.activities.sandbox.backend import MOST_COLLECTED_BYTES, Ending, Job, NoSandbox, unwatched
from resprout.activities.sandbox.docker import DockerBackend, Engine
from resprout.activities.sandbox.docker.harvest import harvest
from resprout.activities.sandbox.docker.images import image_name
from resprout.activities.sandbox.docker.runtimes import refusal
from resprout.activities.sandbox.selection import Selection
from resprout.activities.sandbox.spec import Isolation, SandboxSpec
from resprout.actors.errors import Rejected
from sandbox.conftest import Sandboxed


@pytest.fixture
def container(docker: DockerBackend) -> Sandboxed:
    return Sandboxed(docker, "container")


async def ran(container: Sandboxed, code: str, **words: Any) -> Ending:
    return await container.run(SandboxSpec.model_validate({"language": "python", "code": code, **words}))


async def test_output_files_and_the_exit_code_come_back(container: Sandboxed) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); open('a.txt', 'w').write('x'); sys.exit(3)"

    ending = await ran(container, code, collect=["*.txt"])

    assert (ending.ended, ending.exit_code, ending.files) == ("exit", 3, {"a.txt": b"x"})
    assert (ending.stdout.kept, ending.stderr.kept) == (b"out\n", b"err\n")
    assert ending.peak_memory is not None
    assert ending.cpu_seconds is not None
    assert ending.image is not None
    assert ending.image.startswith("sha256:")


@pytest.mark.parametrize(
    ("language", "code"), [("python", "print(6 * 7)"), ("shell", "echo $((6 * 7))"), ("node", "console.log(6 * 7)")]
)
async def test_each_language_runs(container: Sandboxed, language: str, code: str) -> None:
    ending = await ran(container, code, language=language)

    assert ending.stdout.kept == b"42\n", ending


async def test_input_files_stdin_variables_and_the_directory_arrive(container: Sandboxed) -> None:
    code = "import os, sys, beside; print(beside.x, sys.stdin.read(), os.environ['A-B'], os.getcwd())"
    spec = {"files": {"sub/beside.py": "x = 1"}, "stdin": "in", "cwd": "sub"}
    sandboxed_spec = SandboxSpec.model_validate({"language": "python", "code": code, **spec})

    ending = await container.run(sandboxed_spec, env={"A-B": "it's $HOME"})

    assert ending.stdout.kept == b"1 in it's $HOME /work/sub\n", ending


async def test_output_is_seen_while_it_is_written(container: Sandboxed) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()
    spec = SandboxSpec(language="python", code="import time\nprint('early')\ntime.sleep(3)\nprint('late')")
    run = asyncio.create_task(container.run(spec, lambda _stream, piece: seen.put_nowait(piece)))

    early = await seen.get()

    assert (early[:5], run.done()) == (b"early", False)
    await run
    assert b"late" in b"".join(seen.get_nowait() for _ in range(seen.qsize()))


async def test_more_output_than_is_kept_is_counted_and_the_beginning_stays(container: Sandboxed) -> None:
    seen = bytearray()
    code = "import sys; sys.stdout.write('a' * 1000 + 'b' * 9_000)"
    spec = SandboxSpec.model_validate({"language": "python", "code": code, "limits": {"output": "1000B"}})

    ending = await container.run(spec, lambda _stream, piece: seen.extend(piece))

    assert (ending.stdout.size, ending.stdout.kept) == (10_000, b"a" * 1000)
    assert bytes(seen) == b"a" * 1000


async def test_too_much_memory_ends_as_memory(container: Sandboxed) -> None:
    ending = await ran(container, "x = [b'x' * (1 << 20) for _ in range(1024)]", limits={"memory": "64MB"})

    assert (ending.ended, ending.signal) == ("memory", "SIGKILL")


async def test_a_child_that_became_a_daemon_does_not_outlive_the_time(container: Sandboxed) -> None:
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint('parent')"

    ending = await ran(container, code)

    assert (ending.ended, ending.stdout.kept) == ("exit", b"parent\n")
    assert ending.seconds < 30


async def test_a_signal_is_named(container: Sandboxed) -> None:
    ending = await ran(container, "import os; os.abort()")

    assert (ending.ended, ending.signal, ending.exit_code) == ("signal", "SIGABRT", None)


async def test_links_pipes_and_sparse_files_are_not_collected_and_said_so(container: Sandboxed) -> None:
    code = """
import os
os.mkdir('out')
open('out/good', 'w').write('x')
os.symlink('/etc/passwd', 'out/soft')
open('out/one', 'w').write('x'); os.link('out/one', 'out/two')
os.mkfifo('out/pipe')
open('out/huge', 'w').truncate(1 << 40)
os.symlink('/etc', 'out/folder')
"""
    ending = await ran(container, code, collect=["out/**"])

    assert ending.files == {"out/good": b"x"}
    for name in ("soft", "two", "pipe", "huge"):
        assert f"out/{name}" in ending.reason


async def test_files_beyond_the_budget_are_left_out_and_said_so(container: Sandboxed) -> None:
    code = "for n in range(4): open(f'f{n}', 'wb').write(b'x' * (7 << 20))"

    ending = await ran(container, code, collect=["f*"])

    assert 0 < sum(map(len, ending.files.values())) <= MOST_COLLECTED_BYTES
    assert "left out" in ending.reason


async def test_a_job_that_kills_its_watchers_ends_and_keeps_its_output(container: Sandboxed) -> None:
    ending = await ran(container, "import os\nprint('before')\nos.kill(-1, 9)\nprint('after')")

    assert ending.ended == "signal"
    assert ending.stdout.kept.startswith(b"before\n")


async def test_input_that_does_not_fit_is_refused(container: Sandboxed) -> None:
    with pytest.raises(Rejected, match=r"limits\.disk"):
        await ran(container, "0", files={"big": "x" * 100_000}, limits={"disk": "64KB"})


async def test_an_image_with_a_volume_is_refused_for_it_has_no_limit_on_disk(
    docker: DockerBackend, engine_api: APIClient
) -> None:
    made = engine_api.create_container(image_name("shell"), ["true"], network_disabled=True)["Id"]
    repository = f"volume-{uuid4().hex[:8]}"
    engine_api.commit(made, repository, "1", conf={"Volumes": {"/data": {}}})
    engine_api.remove_container(made, force=True)
    spec = SandboxSpec(image=f"{repository}:1", run="head -c 100000000 /dev/zero >/data/x")
    try:
        assert "a VOLUME (/data), where `limits.disk` would not hold" in str(await docker.refusal(spec, "container"))
        with pytest.raises(NoSandbox, match="VOLUME"):
            await docker.run(Job("k", spec, "container"), unwatched)
    finally:
        engine_api.remove_image(f"{repository}:1", force=True)


async def test_a_missing_image_is_refused_with_the_remedy(docker: DockerBackend) -> None:
    said = await docker.refusal(SandboxSpec(image="no-such-image:1", run="true"), "container")

    assert said is not None
    assert "no-such-image:1 is not there" in said
    assert "docker pull" in said


async def test_more_processors_than_there_are_and_too_little_memory_are_refused(docker: DockerBackend) -> None:
    too_much = ({"memory": "10000GB"}, "the engine has")
    for limits, word in (({"cpu": 500}, "limits.cpu"), ({"memory": "1MB"}, "limits.memory"), too_much):
        spec = SandboxSpec.model_validate({"language": "python", "code": "0", "limits": limits})
        assert word in (await docker.refusal(spec, "container") or "")


async def test_an_engine_elsewhere_is_refused_what_needs_the_network() -> None:
    backend = DockerBackend(Engine("tcp://engine.invalid:2375"), "nobody", warm=0)
    spec = SandboxSpec(language="python", code="0", net=("pypi.org:443",))

    said = await backend.refusal(spec, "container") or ""

    assert "a socket of this machine, which the engine at tcp://engine.invalid:2375 does not see" in said
    await backend.close()


async def test_without_an_engine_it_is_refused_with_the_remedy(tmp_path: Path) -> None:
    backend = DockerBackend(Engine(f"unix://{tmp_path}/no.sock"), "nobody", warm=0)

    said = await backend.refusal(SandboxSpec(language="python", code="0"), "container")

    assert said is not None
    assert "No Docker engine answers" in said
    with pytest.raises(NoSandbox):
        await backend.place()
    await backend.close()


@pytest.mark.parametrize("isolation", ["container", "gvisor"])
async def test_the_gate_is_the_way_out_and_proxies_are_told(docker: DockerBackend, isolation: Isolation) -> None:
    with TemporaryDirectory(prefix="resprout-gate-") as folder:
        Path(folder).chmod(0o755)
        path = f"{folder}/gate.sock"

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readline()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n" + asked[:3])
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(greet, path)
        Path(path).chmod(0o666)
        code = "import urllib.request; print(urllib.request.urlopen('http://example.com/x').read())"
        async with server:
            spec = SandboxSpec(language="python", code=code, net=("example.com:80",))
            ending = await Sandboxed(docker, isolation).run(spec, gate=path)

    assert ending.stdout.kept == b"b'GET'\n", ending


@pytest.mark.parametrize(
    ("told", "net", "is_refused"),
    [
        (["--network=none"], ("pypi.org:443",), True),
        (None, ("pypi.org:443",), True),
        (["--network=none", "--host-uds=none"], ("pypi.org:443",), True),
        (["--network=none", "--host-uds=open"], ("pypi.org:443",), False),
        (["-fsgofer-host-uds"], ("pypi.org:443",), False),
        (["--network=none"], "none", False),
    ],
)
def test_a_gvisor_that_opens_no_sockets_is_refused_what_needs_the_network(
    told: list[str] | None, net: tuple[str, ...], is_refused: bool
) -> None:
    spec = SandboxSpec(language="python", code="0", net=net)
    engine: dict[str, dict[str, object]] = {"runc": {"path": "runc"}, "runsc": {"path": "runsc", "runtimeArgs": told}}

    said = refusal(spec, "gvisor", engine)

    assert (said is not None) == is_refused
    assert said is None or "add `--host-uds=open`" in said
    assert refusal(spec, "container", engine) is None


def test_a_hostile_tar_is_read_without_harm() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("../up", "/etc/abs", "./out/a", "./out/a/../../../b", "stdout"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
        device = tarfile.TarInfo("./out/device")
        device.type = tarfile.BLKTYPE
        tar.addfile(device)
    for cut in range(0, len(packed.getvalue()), 97):
        harvest(packed.getvalue()[:cut], Selection(["**"]))

    found = harvest(packed.getvalue(), Selection(["**"]))

    assert (found.collected.files, found.kept) == ({"out/a": b"x"}, {"stdout": b"x"})


def test_noise_is_no_tar() -> None:
    found = harvest(socket.gethostname().encode() * 500, Selection(["**"]))

    assert found.collected.files == {}


async def test_the_library_of_python_is_compiled_in_its_image(container: Sandboxed) -> None:
    code = "import asyncio, json, os; print(*(os.path.isfile(module.__cached__) for module in (asyncio, json)))"

    ending = await ran(container, code)

    assert ending.stdout.kept == b"True True\n", ending
