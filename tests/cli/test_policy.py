"""`resprout policy` and `resprout audit`, with a Postgres and nothing else."""

import json
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
