"""Kinds that ask for hosts of their own, and hosts that come and go."""

import json
from functools import partial

from support.stack import Stack, eventually, kill, resprout

AGENTS = """
import os
from resprout.actors.agent import Agent, DedicatedHosts, on
from resprout.actors.message import Message


class Where(Message, name="where.ask"):
    pass


class Here(Message, name="where.here"):
    pid: int


class Heavy(Agent, kind="heavy", hosts=DedicatedHosts(count=1, cpus=1)):
    @on
    async def where(self, message: Where) -> Here:
        return Here(pid=os.getpid())


class Light(Agent, kind="light"):
    @on
    async def where(self, message: Where) -> Here:
        return Here(pid=os.getpid())
"""


def test_a_kind_with_hosts_of_its_own_lives_there_and_nowhere_else(own_stack: Stack) -> None:
    project = own_stack.data_dir.parent / "project"
    project.mkdir()
    (project / "where.py").write_text(AGENTS)
    (project / "resprout.toml").write_text('[agents]\nmodules = ["where"]\n[hosts]\nlease_seconds = 15\n')
    data = ["--data-dir", str(own_stack.data_dir)]

    def where(agent: str) -> int:
        asked = resprout("agent", "ask", agent, "where.ask", "--json", *data, cwd=project)
        assert asked.returncode == 0, asked.stderr
        return int(json.loads(asked.stdout)["body"]["pid"])

    def host(*, heavy: bool) -> int:
        instances = own_stack.service("hosts")["instances"]
        return next((int(i["pid"]) for i in instances if ("-heavy-" in i["name"]) is heavy), 0)

    up = resprout("up", "--detach", *data, cwd=project)
    assert up.returncode == 0, up.stderr

    shared = eventually(partial(host, heavy=False), "a host for all")
    dedicated = eventually(partial(host, heavy=True), "a host for the heavy ones")
    assert {where(f"heavy/{n}") for n in range(3)} == {dedicated}
    assert {where(f"light/{n}") for n in range(3)} == {shared}

    kill(dedicated)

    eventually(lambda: where("heavy/0") != dedicated, "a new host for the heavy ones")
    assert where("light/0") == shared


def test_hosts_that_join_take_their_share_and_give_it_back(stack: Stack) -> None:
    stack.hello(name="before")
    joined = stack.start("join", "--hosts", "1")
    try:
        first = eventually(lambda: held(stack), "two hosts share the agents")
        assert sorted(first.values()) == [64, 64]
    finally:
        joined.terminate()
        joined.communicate(timeout=60)

    assert joined.returncode == 0
    eventually(lambda: not held(stack), "the host that left gave its shards back")
    assert stack.hello(name="before")["times"] == 2


def held(stack: Stack) -> dict[str, int]:
    """Shards by host, when two hosts have the same number."""
    rows = stack.sql(
        "SELECT host::text, count(*) FROM resprout.shards WHERE pool = '' AND host IS NOT NULL GROUP BY host"
    )
    return dict(rows) if len(rows) == 2 and rows[0][1] == rows[1][1] else {}
