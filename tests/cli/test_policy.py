"""`resprout policy` and `resprout audit`, with a Postgres and nothing else."""

import json
import shlex
from pathlib import Path

import pytest
from resprout.runtime.identity import user_name
from support.stack import Result, resprout


@pytest.fixture
def env(dsn: str) -> dict[str, str]:
    return {"RESPROUT_POSTGRES_DSN": dsn, "RESPROUT_POLICY_OWNER": user_name()}


def run(env: dict[str, str], *words: str, code: int = 0) -> Result:
    done = resprout(*words, env=env)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


GET = ("http.get", "--as", "user:ada", "--args", '{"url": "https://example.org/x"}')


def test_what_the_reason_of_a_denial_says_lifts_it(env: dict[str, str]) -> None:
    denied = run(env, "policy", "explain", *GET)
    command = denied.stdout.split("`resprout ")[1].split("`")[0]
    run(env, *command.split())
    allowed = run(env, "policy", "explain", *GET)
    (grant,) = json.loads(run(env, "policy", "grants", "--json").stdout)
    run(env, "policy", "revoke", str(grant["id"]))

    assert denied.stdout.startswith("deny")
    assert allowed.stdout.startswith("allow")
    assert f"allow by grant {grant['id']}" in allowed.stdout
    assert run(env, "policy", "explain", *GET).stdout.startswith("deny")


def test_who_may_not_grant_is_told_who_may_and_it_is_on_record(env: dict[str, str]) -> None:
    stranger = env | {"RESPROUT_POLICY_OWNER": "somebody"}

    refused = run(stranger, "policy", "grant", "*", "--action", "net.connect:*", code=2)

    assert "is in no role that may policy.grant" in refused.stderr
    (row,) = json.loads(run(env, "audit", "search", "--kind", "refused", "--json").stdout)
    assert row["verdict"] == "deny"


def test_the_log_is_exported_and_verified(env: dict[str, str], tmp_path: Path) -> None:
    run(env, "policy", "grant", "user:ada", "--role", "operator", "--for", "2h", "--why", "on call")
    anchor = run(env, "audit", "anchor").stdout.strip()
    log = tmp_path / "log.jsonl"

    run(env, "audit", "export", "--to", str(log))

    assert run(env, "audit", "verify", "--anchor", anchor).stdout.startswith("whole: 1 rows")
    assert "whole" in run({}, "audit", "verify", "--file", str(log), "--anchor", anchor).stdout
    log.write_text(log.read_text().replace("on call", "on leave"))
    changed = run({}, "audit", "verify", "--file", str(log), code=1)
    assert "not whole from row 1 on (changed)" in changed.stderr


def test_the_log_names_the_grant_that_allowed(env: dict[str, str]) -> None:
    stranger = env | {"RESPROUT_POLICY_OWNER": "somebody"}
    me = f"user:{user_name()}"

    run(env, "policy", "grant", me, "--action", "net.connect:*.org:443", "--tool", "http.get")
    run(stranger, "policy", "grant", "*", "--action", "net.connect:*", code=2)

    explained = json.loads(run(env, "policy", "explain", *GET[:1], *GET[3:], "--json").stdout)
    assert (explained["decision"]["verdict"], explained["decision"]["grounds"]) == ("allow", ["grant 1"])
    refused, granted = json.loads(run(env, "audit", "search", "--json").stdout)
    assert (refused["grounds"], granted["grounds"]) == (["rules"], ["role owner"])
    shown = run(env, "audit", "show", str(granted["seq"])).stdout
    assert '["role owner"]' in shown
    assert "net.connect:*.org:443" in shown
    assert "role owner" in run(env, "audit", "search", "--kind", "granted").stdout
    assert "has no row 99" in run(env, "audit", "show", "99", code=2).stderr


@pytest.mark.parametrize("who", ["agent:writer/*", "run:publish", "service:mcp:x"])
def test_a_role_is_given_to_people_only_and_the_refusal_says_what_can_be_had(env: dict[str, str], who: str) -> None:
    refused = run(env, "policy", "grant", who, "--role", "approver", code=2)

    assert f"{who} cannot be approver: roles are for people" in refused.stderr
    command = refused.stderr.split("`resprout ")[1].split("`")[0]
    run(env, *shlex.split(command))
    (given,) = json.loads(run(env, "policy", "grants", "--json").stdout)
    assert (given["principal"], given["role"], given["actions"]) == (who, None, ["runs.read:*"])


def test_a_command_in_a_hint_works_when_it_is_pasted(env: dict[str, str], tmp_path: Path) -> None:
    def pasted(said: str) -> list[str]:
        return shlex.split(said.split("`resprout ")[1].split("`")[0])

    stranger = env | {"RESPROUT_POLICY_OWNER": "somebody"}
    ask = ("policy", "explain", "--action", "approval.answer", "--asked-by", "user:bob")

    lacking = run(stranger, *ask, "--data-dir", str(tmp_path)).stdout
    in_blue = run(stranger, *ask, "--tenant", "blue").stdout

    assert pasted(lacking)[-2:] == ["--data-dir", str(tmp_path)]
    run(env, *pasted(lacking))
    assert run(stranger, *ask).stdout.startswith("allow")
    run(env, *pasted(in_blue))
    assert run(stranger, *ask, "--tenant", "blue").stdout.startswith("allow")


def test_a_denial_for_all_tenants_is_lifted_by_what_the_reason_says(env: dict[str, str]) -> None:
    run(env, "policy", "grant", "*", "--tool", "text.count", "--deny", "--tenant", "*")

    denied = run(env, "policy", "explain", "text.count").stdout
    run(env, *shlex.split(denied.split("`resprout ")[1].split("`")[0]))

    assert run(env, "policy", "explain", "text.count").stdout.startswith("allow")


def test_the_cases_that_ship_pass_and_one_of_yours_that_does_not_is_named(tmp_path: Path) -> None:
    case = tmp_path / "mine.yaml"
    case.write_text("- case: anybody runs code\n  ask: {chain: [user:x], permissions: [code.run]}\n  expect: allow\n")

    assert "cases are decided as they expect" in run({}, "policy", "test").stdout
    failed = run({}, "policy", "test", str(case), code=1)
    assert "anybody runs code: allow was expected, it is deny" in failed.stdout
    assert "answer.rego" in run({}, "policy", "check").stdout


def test_the_data_for_an_opa_server_has_every_grant_of_every_tenant(env: dict[str, str]) -> None:
    run(env, "policy", "grant", "*", "--tool", "http.*", "--deny")
    run(env, "policy", "grant", "*", "--tool", "git.*", "--deny", "--tenant", "blue")
    run(env, "policy", "grant", *(f"user:u{number}" for number in range(101)), "--action", "net.connect:*")

    facts = json.loads(run(env, "policy", "grants", "--data").stdout)["resprout"]["facts"]

    assert len(facts["grants"]) == 103
    assert {grant["tenant"] for grant in facts["grants"]} == {"default", "blue"}


def test_who_looks_after_tools_needs_a_role_and_is_on_record(env: dict[str, str]) -> None:
    stranger = env | {"RESPROUT_POLICY_OWNER": "somebody"}

    refused = run(stranger, "tool", "quota", "set", "1", "--tool", "http.get", code=2)
    run(stranger, "tool", "deprecate", "http.get@1.0.0", "--why", "x", code=2)
    run(env, "tool", "quota", "set", "1", "--tool", "http.get")
    run(env, "tool", "quota", "remove", "--tool", "http.get")

    assert "is in no role that may tool.quota" in refused.stderr
    rows = json.loads(run(env, "audit", "search", "--kind", "decided", "--json").stdout)
    assert [(row["step"], row["verdict"]) for row in reversed(rows)] == [
        ("tool.quota", "deny"),
        ("tool.deprecate", "deny"),
        ("tool.quota", "allow"),
        ("tool.quota", "allow"),
    ]
