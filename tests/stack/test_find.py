import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from resprout.actors.errors import NotRunning
from resprout.runtime.cli.stack_view import as_json
from resprout.runtime.setting_keys import Key
from resprout.runtime.settings import Settings, load
from resprout.runtime.stack import state
from resprout.runtime.stack.find import attach, leading
from resprout.runtime.stack.paths import StackPaths
from support.stack import Stack


def settings_of(stack: Stack, **given: str) -> Settings:
    flags: dict[Key, str] = {tuple(name.split("__")): value for name, value in given.items()}
    return load({("data_dir",): str(stack.data_dir), **flags}, {}).settings


def test_what_is_not_configured_comes_from_the_running_stack(stack: Stack) -> None:
    found = attach(settings_of(stack), "postgres.dsn", "temporal.address", "ray.address")

    assert found.temporal.address == stack.status()["endpoints"]["temporal.address"]
    assert found.ray.auth_token is not None
    assert found.ray.loopback is True


def test_a_configured_server_gets_nothing_that_belongs_to_the_stacks_own(stack: Stack) -> None:
    found = attach(settings_of(stack, ray__address="10.0.0.1:6379", temporal__address="10.0.0.1:7233"))

    assert (found.ray.address, found.ray.auth_token, found.ray.loopback) == ("10.0.0.1:6379", None, None)
    assert (found.temporal.address, found.temporal.ui_url) == ("10.0.0.1:7233", None)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Stack]:
    """What a stack leaves that got by flags where its servers are."""
    flags = {"temporal.address": "there:7233", "temporal.namespace": "agents", "temporal.api_key": "hush"}
    settings = load({tuple(name.split(".")): value for name, value in flags.items()}, {}).settings
    paths = StackPaths(tmp_path)
    paths.run.mkdir()
    lock = state.lock_as_supervisor(paths)
    assert lock is not None
    state.write(paths, told_state(paths, leading(settings)))
    yield Stack(tmp_path)
    os.close(lock)


def told_state(paths: StackPaths, known: dict[Key, str]) -> state.StackState:
    return state.StackState(
        pid=os.getpid(),
        data_dir=paths.data_dir,
        version="1",
        started_at=datetime.now(UTC),
        services=[],
        settings={".".join(key): value for key, value in known.items()},
        ports={},
    )


@pytest.mark.parametrize("given", [{}, {"temporal__address": "there:7233"}])
def test_what_up_was_told_by_a_flag_is_known_to_other_commands(told: Stack, given: dict[str, str]) -> None:
    temporal = attach(settings_of(told, temporal__task_queue="mine", **given)).temporal

    assert (temporal.address, temporal.namespace, temporal.task_queue) == ("there:7233", "agents", "mine")
    assert temporal.api_key is not None
    assert temporal.tls is False


def test_what_a_command_says_itself_wins_over_what_up_was_told(told: Stack) -> None:
    assert attach(settings_of(told, temporal__namespace="default")).temporal.namespace == "default"
    elsewhere = attach(settings_of(told, temporal__address="elsewhere:7233")).temporal
    assert (elsewhere.namespace, elsewhere.api_key) == ("default", None)


def test_no_secret_that_up_was_told_is_shown(told: Stack) -> None:
    current = state.last(StackPaths(told.data_dir))

    assert current is not None
    assert current.settings["temporal.api_key"] == "hush"
    assert "hush" not in json.dumps(as_json(current, datetime.now(UTC)))


def test_what_is_needed_and_nowhere_is_refused_with_the_remedy(own_stack: Stack) -> None:
    with pytest.raises(NotRunning, match=r"postgres\.dsn.*resprout up"):
        attach(settings_of(own_stack), "postgres.dsn")
