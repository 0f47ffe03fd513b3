"""What there is, what it can do, and how it is."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.stack import LONG_LEASE, Stack, eventually, kill, resprout


def asked(stack: Stack, *words: str) -> Any:
    done = stack("agent", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kinds_are_found_by_capability_and_label(stack: Stack) -> None:
    (kind,) = eventually(lambda: asked(stack, "kinds", "--capability", "counting"), "hosts have said their kinds")

    assert (kind["kind"], kind["stale"]) == ("clerk", False)
    assert kind["described"]["capabilities"][0]["permissions"] == ["count"]
    assert kind["described"]["handlers"]["clerk.work"] == {"method": "work", "reply": "clerk.done", "busy": "queue"}
    assert [row["kind"] for row in asked(stack, "kinds", "--label", "floor=2")] == ["clerk"]
    assert asked(stack, "kinds", "--label", "floor=3") == []
    assert "Counts its work." in stack("agent", "kinds").stdout


def test_an_instance_is_found_by_what_it_says_of_itself(stack: Stack) -> None:
    agent, team = f"clerk/{uuid4().hex}", uuid4().hex
    asked(stack, "ask", agent, "clerk.introduce", "-i", f"team={team}")

    (found,) = asked(stack, "find", "--label", f"team={team}", "--label", "floor=2", "--capability", "counting")

    assert (found["agent"], found["health"], found["capabilities"]) == (agent, "healthy", ["counting"])
    assert asked(stack, "find", "--label", f"team={team}", "--health", "stale") == []
    assert asked(stack, "find", "--label", f"team={team}", "--kind", "greeter") == []
    assert agent in stack("agent", "find", "--kind", "clerk", "--limit", "10000").stdout


def test_hosts_show_their_shards_and_leases(stack: Stack) -> None:
    def with_all_shards() -> list[dict[str, Any]]:
        alive = [host for host in asked(stack, "hosts") if host["alive"]]
        return alive if sum(host["shards"] for host in alive) == 128 else []

    alive = eventually(with_all_shards, "the living have all shards")

    assert all(0 < host["lease_left"] <= 15 for host in alive)
    assert alive[0]["name"] in stack("agent", "hosts").stdout


def test_a_host_that_has_ended_is_not_listed_among_the_living(own_stack: Stack) -> None:
    own_stack.env |= LONG_LEASE  # one host shall lose its lease, and not another
    own_stack.up()
    first = own_stack.host_pid()
    kill(first)
    own_stack.wait_for_another_host(than=first)

    eventually(lambda: [host["pid"] for host in asked(own_stack, "hosts")] == own_stack.host_pids(), "one lives")

    listed = own_stack("agent", "hosts")
    assert "stale" not in listed.stdout
    assert "1 more lost their lease in the last day: --all" in listed.stderr
    assert "stale" in own_stack("agent", "hosts", "--all").stdout
    assert {host["alive"] for host in asked(own_stack, "hosts", "--all")} == {True, False}


def test_the_catalogue_needs_no_stack_and_holds_schemas(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.json"

    done = resprout("agent", "catalogue", "--output", str(file), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    catalogue = json.loads(file.read_text())
    assert catalogue["messages"]["greeter.greet"]["schema"]["properties"]["name"]["type"] == "string"
    assert catalogue["kinds"]["greeter"]["handlers"]["greeter.greet"]["reply"] == "greeter.greeting"
