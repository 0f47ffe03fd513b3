"""`resprout sandbox run` in a process sandbox: what is printed, what comes back, and what is refused."""

import asyncio
import json
from pathlib import Path

import pytest
from docker import APIClient
from support.engine import engine_api
from support.gates import site
from support.stack import resprout

__all__ = ["engine_api"]

PROCESS = {"RESPROUT_SANDBOX_ISOLATION": "process"}


def test_a_file_is_run_by_its_ending_and_its_files_come_back(tmp_path: Path) -> None:
    (tmp_path / "count.py").write_text("open('n.txt', 'w').write(str(len(open('data').read()))); print('done')")
    (tmp_path / "data.csv").write_text("12345")

    words = ("count.py", "--file", "data.csv=data", "--collect", "*.txt", "--out", "results")
    done = resprout("sandbox", "run", *words, env=PROCESS, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert (tmp_path / "results" / "n.txt").read_text() == "5"
    assert "results/n.txt (1 bytes)" in done.stderr


def test_a_source_file_gets_arguments_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "args.py").write_text("import sys; print(sys.argv)")

    done = resprout("sandbox", "run", "args.py", "--", "-n", "a b", env=PROCESS, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "['args.py', '-n', 'a b']\n"), done.stderr


def test_what_was_cut_is_said() -> None:
    done = resprout("sandbox", "run", "--output", "100B", "-c", "printf %150s; printf %101s >&2", env=PROCESS)

    assert (done.returncode, len(done.stdout)) == (0, 100)
    assert "50 bytes of stdout were cut. Keep more with --output.\n1 bytes of stderr were cut" in done.stderr


MAKES_TWO = ("-c", "mkdir in; echo new >in/a; echo new >b", "--collect", "**/*", "--out", "out")


def test_result_files_replace_nothing_unless_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "b"
    mine.write_text("mine")

    kept = resprout("sandbox", "run", *MAKES_TWO, env=PROCESS, cwd=tmp_path)

    assert (kept.returncode, mine.read_text(), (tmp_path / "out/in/a").read_text()) == (1, "mine", "new\n")
    assert "out/b was left out: there is one already. Say --force to replace it, or another --out." in kept.stderr
    assert resprout("sandbox", "run", *MAKES_TWO, "--force", env=PROCESS, cwd=tmp_path).returncode == 0
    assert mine.read_text() == "new\n"


def test_result_files_are_written_through_no_link_that_is_there(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "victim").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "in").symlink_to(elsewhere)
    (tmp_path / "out" / "b").symlink_to(elsewhere / "victim")

    done = resprout("sandbox", "run", *MAKES_TWO, "--force", env=PROCESS, cwd=tmp_path)

    assert (done.returncode, (tmp_path / "out" / "b").read_text()) == (1, "new\n")
    assert "out/in/a was left out: " in done.stderr
    assert [path.read_text() for path in elsewhere.iterdir()] == ["mine"]


def test_a_place_for_result_files_that_cannot_be_had_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    done = resprout("sandbox", "run", "-c", "echo ran", "--collect", "*", "--out", "out/x", env=PROCESS, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--out out/x cannot be used: " in done.stderr


def test_the_exit_code_and_both_streams_are_the_programs_own() -> None:
    done = resprout("sandbox", "run", "-c", "echo out; echo err >&2; exit 7", env=PROCESS)

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_a_program_whose_time_is_up_says_so() -> None:
    done = resprout("sandbox", "run", "--timeout", "500ms", "--", "sleep", "9", env=PROCESS)

    assert done.returncode == 124
    assert done.stderr == "it was killed after 500ms: give it more with `limits: {time: …}`.\n"


def test_a_program_that_a_signal_ended_has_the_code_that_shells_give_it() -> None:
    assert resprout("sandbox", "run", "-c", "kill -SEGV $$", env=PROCESS).returncode == 139


def test_a_secret_comes_from_the_environment_and_is_not_in_the_result() -> None:
    words = ("--secret", "TOKEN=api-key", "-c", 'test "$TOKEN" = hush && echo right', "--json")
    done = resprout("sandbox", "run", *words, env={**PROCESS, "RESPROUT_SECRET_API_KEY": "hush"})

    result = json.loads(done.stdout)
    assert result["stdout"]["text"] == "right\n"
    assert result["isolation"] == "process"
    assert "hush" not in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "add `code:` or `run:`"),
        (("--memory", "12", "-c", "x"), "limits.memory: '12' is not a size: write a number with B, KB, MB or GB"),
        (("--cwd", "../x", "-c", "x"), "cwd: `../x` leads out of the sandbox's directory"),
        (("--net", "nowhere", "-c", "x"), "`nowhere` is not a host and port; write it as in pypi.org:443"),
        (("--net", "127.0.0.1:80", "-c", "x"), "add 127.0.0.1 to the setting `sandbox.private_hosts`"),
        (("--net", "169.254.169.254:80", "-c", "x"), "its address is of a metadata service: leave it out"),
        (("--image", "a:1", "--", "ls"), "the process sandbox has no images"),
        (("--image", "a b", "--", "ls"), "image: 'a b' is no name of an image: write it as in python:3.12"),
        (("--memory", "1KB", "-c", "x"), "the process sandbox cannot run in 1KB. Write `limits.memory: 8MB` or more"),
        (("--memory", "10000GB", "-c", "x"), "`limits.memory` is 10000GB, this machine has "),
        (("--cpu", "1000", "-c", "x"), "`limits.cpu` is 1000, this machine has "),
        (("--cpu", "0", "-c", "x"), "limits.cpu: "),
        (("--pids", "0", "-c", "x"), "limits.pids: "),
        (("--timeout", "soon", "-c", "x"), "limits.time: 'soon' is not a length of time"),
        (("--output", "0", "-c", "x"), "limits.output: '0' is not a size"),
        (("--file", "/dev/null=../x", "-c", "x"), "files.../x: `../x` leads out of the sandbox's directory"),
        (("--file", "/dev/null=.", "-c", "x"), "files..: `.` is the working directory; write the path of a file"),
        (
            ("--file", "/dev/null=x", "--file", "/dev/null=./x/y", "-c", "x"),
            "files../x/y: `./x/y` cannot be where the file `x` is; rename one",
        ),
        (("--collect", "../*", "-c", "x"), "collect.0: `../*` leads out of the sandbox's directory"),
        (("--net", "a*.com:443", "-c", "x"), "`a*.com:443` is not a host and port; write it as in pypi.org:443"),
        (("--isolation", "vm", "-c", "x"), "isolation:"),
        (("--file", "nothing", "-c", "x"), "nothing cannot be read: no such file or directory."),
        (("--secret", "T=none", "-c", "x"), "there is no secret none: set RESPROUT_SECRET_NONE"),
        (("nofile.py",), "there is no file nofile.py: give the path of a source file"),
        (("--key", "k", "-c", "x"), "resprout up"),
    ],
)
def test_a_mistake_is_refused_before_anything_starts(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = resprout("sandbox", "run", *words, env=PROCESS, cwd=tmp_path)

    assert done.returncode in (2, 3)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("isolation", ["container", "gvisor"])
def test_without_an_engine_a_container_is_refused(isolation: str) -> None:
    env = {"DOCKER_HOST": "unix:///nowhere"}

    done = resprout("sandbox", "run", "--isolation", isolation, "-c", "x", env=env)

    assert (done.returncode, done.stdout) == (3, "")
    assert "No Docker engine answers at unix:///nowhere: start one, or choose the isolation `process`" in done.stderr


def test_an_image_that_is_not_there_is_refused_with_what_fetches_it(engine_api: APIClient) -> None:
    done = resprout("sandbox", "run", "--image", "not/there:1", "--", "ls")

    assert (done.returncode, done.stdout) == (3, "")
    assert "The image not/there:1 is not there: fetch it by `docker pull not/there:1`" in done.stderr


def test_doctor_tries_each_isolation_and_says_why_not() -> None:
    done = resprout("sandbox", "doctor", "--json", env={"DOCKER_HOST": "unix:///nowhere"})

    probes = {(probe["isolation"], probe["language"]): probe for probe in json.loads(done.stdout)}
    assert probes["process", "python"]["works"]
    assert "No Docker engine answers at unix:///nowhere" in probes["container", "python"]["said"]
    assert done.returncode == 0


FETCHES = """
import urllib.error, urllib.request
for _ in range(2):
    try:
        print(len(urllib.request.urlopen('URL').read()))
    except urllib.error.HTTPError as error:
        print(error.read().decode())
"""


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({}, "5000\n5000\n"),
        ({"RESPROUT_SANDBOX_NET_CONNECTIONS": "1"}, "has made 1 connections, which is all it may"),
        ({"RESPROUT_SANDBOX_NET_RECEIVED_BYTES": "6000"}, "has received 6000B, which is all it may"),
        ({"RESPROUT_SANDBOX_NET_SENT_BYTES": "10"}, "has sent 10B, which is all it may"),
    ],
)
async def test_what_a_run_may_use_of_the_network_is_a_setting(setting: dict[str, str], says: str) -> None:
    async with site(five_kilobytes) as here:
        code = FETCHES.replace("URL", f"http://localhost:{here.port}")
        words = ("-l", "python", "--net", f"localhost:{here.port}", "-c", code)
        env = {**PROCESS, "RESPROUT_SANDBOX_PRIVATE_HOSTS": "localhost", **setting}
        done = await asyncio.to_thread(resprout, "sandbox", "run", *words, env=env)

    assert says in done.stdout + done.stderr


async def five_kilobytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
