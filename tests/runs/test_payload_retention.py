"""Large values in Postgres go when no run can ask for them any more."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.runtime.payload_retention import PayloadRetention
from resprout.runtime.runs import Runs as RunsOfFlows
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from support.flow_tasks import flow_file, step
from support.runs import Runs
from support.stack import Stack, eventually, kill

LARGE = "x" * 100_000


def put(stack: Stack, days: int) -> str:
    """A value that nobody has used for so long; its key."""
    key = uuid4().hex
    stack.sql(
        "INSERT INTO resprout.large_payloads (key, payload, kept_at) "
        f"VALUES ('\\x{key}', 'text', now() - interval '{days} days') RETURNING 1"
    )
    return key


def there(stack: Stack, key: str) -> bool:
    return bool(stack.sql(f"SELECT 1 FROM resprout.large_payloads WHERE key = '\\x{key}'"))


@pytest.fixture
def retention(runs: Runs) -> PayloadRetention:
    settings = Settings(data_dir=runs.stack.data_dir)
    return PayloadRetention(runs.client, attach(settings, "temporal.address", "postgres.dsn"))


async def test_a_value_stays_while_temporal_has_a_run_from_its_time(runs: Runs, retention: PayloadRetention) -> None:
    await runs.result([step("a")])
    older, younger = put(runs.stack, 35), put(runs.stack, 20)

    # In 31 days, as if Temporal had the runs of today still: only what is older than 60 days then goes.
    assert await retention.remove_unused(datetime.now(UTC) + timedelta(days=31)) >= 1

    assert (there(runs.stack, older), there(runs.stack, younger)) == (False, True)


@pytest.fixture
def schedule(runs_stack: Stack, tmp_path: Path) -> Iterator[str]:
    """With a large input, of which nobody has spoken for long."""
    file = flow_file(tmp_path, [step("a", do={"value": "${{ size(inputs.text) }}"})], inputs={"text": {}})
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"text": LARGE + uuid4().hex}))
    name = f"schedule-{uuid4().hex[:8]}"
    done = runs_stack("run", str(file), "--input-file", str(inputs), "--schedule", "0 6 1 1 *", "--id", name)
    assert done.returncode == 0, done.stderr
    runs_stack.sql("UPDATE resprout.large_payloads SET kept_at = now() - interval '40 days' RETURNING 1")
    yield name
    runs_stack("schedules", "delete", name)


async def test_what_a_schedule_starts_with_stays(runs: Runs, retention: PayloadRetention, schedule: str) -> None:
    forgotten = put(runs.stack, 40)

    await retention.remove_unused(datetime.now(UTC))

    assert not there(runs.stack, forgotten)
    assert runs.stack("schedules", "trigger", schedule).returncode == 0
    rows = eventually(
        lambda: json.loads(runs.stack("schedules", "show", schedule, "--json").stdout)["recent"], "it ran"
    )
    output = await runs.client.get_workflow_handle(rows[0]).result()
    assert output["value"] == len(LARGE) + 32


async def test_looking_at_a_run_keeps_nothing_in_postgres(runs: Runs) -> None:
    tasks = [step(f"t{n}", name="n" * 2_000) for n in range(60)]
    run = await runs.start([{"id": "all", "parallel": tasks}, {"id": "w", "wait": {"signal": "go"}}])
    await run.reach("w", "waiting")
    count = "SELECT count(*) FROM resprout.large_payloads"
    before = runs.stack.sql(count)

    ref = RunsOfFlows(runs.client, attach(Settings(data_dir=runs.stack.data_dir), "temporal.address").temporal)
    for pause in (True, False):
        await run.handle.execute_update("pause" if pause else "resume")
        state = await ref.get(run.handle.id).state()

    assert len(state["tasks"]) == 62
    assert runs.stack.sql(count) == before
    await run.handle.terminate("seen")


def test_a_worker_removes_them_by_itself(runs_stack: Stack) -> None:
    """At its start for the first time."""
    forgotten = put(runs_stack, 40)

    kill(runs_stack.pid("worker"))

    eventually(lambda: not there(runs_stack, forgotten), "it is removed")
    runs_stack.wait_healthy()
