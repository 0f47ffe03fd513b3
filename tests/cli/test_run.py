import json
from pathlib import Path
from uuid import uuid4

import pytest
from support.stack import Stack


def test_hello_prints_the_answer_and_a_link_to_the_run(stack: Stack) -> None:
    done = stack("run", "hello")

    assert done.returncode == 0, done.stderr
    greeting, link = done.stdout.splitlines()
    assert greeting.startswith("Hello world")
    assert stack.status()["endpoints"]["temporal.ui_url"] in link


def test_an_agent_remembers_from_run_to_run(stack: Stack) -> None:
    name = uuid4().hex

    assert [stack.hello(name=name)["times"] for _ in range(3)] == [1, 2, 3]


def test_inputs_come_from_a_file_and_flags_win(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(json.dumps({"name": "from-file", "think_seconds": 0.1}))

    done = stack("run", "hello", "--json", "--input-file", str(file), "--input", "name=from-flag")

    assert "from-flag" in json.loads(done.stdout)["result"]["greeting"]


def test_a_detached_run_prints_its_id_and_goes_on(stack: Stack) -> None:
    name = f"detached-{uuid4().hex[:6]}"

    done = stack("run", "hello", "--detach", "--json", "--id", name)

    assert json.loads(done.stdout)["id"] == name
    result = stack.temporal("workflow", "result", "--workflow-id", name, "-o", "json")
    assert json.loads(result.stdout)["status"] == "COMPLETED"


def test_the_same_run_starts_from_the_temporal_cli(stack: Stack) -> None:
    name = uuid4().hex
    stack.temporal(
        "workflow", "start", "--type", "hello", "--task-queue", "resprout", "--workflow-id", name,
        "--input", json.dumps({"name": name}),
    )  # fmt: skip

    result = stack.temporal("workflow", "result", "--workflow-id", name, "-o", "json")

    assert json.loads(result.stdout)["result"] == {"greeting": f"Hello {name}!", "times": 1}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('{"name": 5}', ["name", "valid string"]),
        ('{"nam": "x"}', ["nam", "did you mean `name`?"]),
        ('"text"', ["HelloInput"]),
        ('{"name": ""}', ["name", "at least 1 character"]),
    ],
)
def test_bad_input_from_the_temporal_cli_fails_the_run_at_once_with_a_sentence(
    stack: Stack, given: str, words: list[str]
) -> None:
    name = uuid4().hex
    stack.temporal(
        "workflow", "start", "--type", "hello", "--task-queue", "resprout", "--workflow-id", name, "--input", given
    )

    result = stack.temporal("workflow", "result", "--workflow-id", name)

    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in said
    assert ".py" not in said


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["run", "nothing"], 2, "there is no flow file nothing: give the path of one, or a team (`resprout team list"),
        (["run", "hello", "--tag", "x"], 2, "hello takes no --tag: leave it out."),
        (
            ["run", "hello", "--tenant", "x", "--every", "1h"],
            2,
            "hello takes no --tenant and no --every: leave them out.",
        ),
        (["run", "f", "--every", "1h", "--wait"], 2, "a schedule is made and not waited for, so it takes no --detach"),
        (["run", "f", "--print-input", "--every", "1h"], 2, "--print-input starts nothing, so it takes no --every"),
        (["run", "hello", "-i", "name"], 2, "write it as K=V"),
        (["run", "hello", "--input-file", "/nope.json"], 2, "/nope.json"),
        (["run", "hello", "-i", "name=1", "-i", "name=2"], 2, "--input name is given twice"),
        (["run", "hello", "-i", "name=5"], 1, "name: Input should be a valid string"),
        (["run", "hello", "-i", "name=5"], 1, """write --input name='"5"'"""),
        (["run", "hello", "-i", "think_seconds=-1"], 1, "think_seconds"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(stack: Stack, words: list[str], code: int, sentence: str) -> None:
    done = stack(*words)

    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_id_that_is_running_is_not_started_twice(stack: Stack) -> None:
    name = uuid4().hex
    stack("run", "hello", "--detach", "--id", name, "-i", f"name={name}", "-i", "think_seconds=60")

    again = stack("run", "hello", "--id", name)

    assert again.returncode == 2
    assert name in again.stderr
    stack.temporal("workflow", "terminate", "--workflow-id", name)


def test_config_show_tells_where_each_value_came_from_and_hides_secrets(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[postgres]\ndsn = "postgresql://u:hush@h/d"\n')

    done = stack("config", "show", "--json", "--config", str(file), "--set", "hosts.count=2")

    shown = json.loads(done.stdout)
    assert shown["postgres.dsn"] == {"value": "********", "from": f"{file}:2"}
    assert shown["hosts.count"] == {"value": 2, "from": "--set hosts.count"}
    assert shown["telemetry.otlp_endpoint"]["from"] == "environment RESPROUT_TELEMETRY_OTLP_ENDPOINT"
    assert "hush" not in done.stdout


def test_migrate_says_that_the_stack_is_up_to_date(stack: Stack) -> None:
    assert stack("migrate", "--check").returncode == 0
    assert "up to date" in stack("migrate").stdout


@pytest.mark.parametrize(
    "command",
    [
        "",
        "up",
        "down",
        "status",
        "doctor",
        "logs",
        "config",
        "config show",
        "migrate",
        "join",
        "worker",
        "gateway",
        "run",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    from support.stack import resprout

    done = resprout(*command.split(), "--help")

    assert done.returncode == 0
    assert "Usage" in done.stdout
