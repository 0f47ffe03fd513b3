import pytest
from resprout.actors.errors import NotRunning
from resprout.runtime.settings import Key, Settings, load
from resprout.runtime.stack.find import attach
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


def test_what_is_needed_and_nowhere_is_refused_with_the_remedy(own_stack: Stack) -> None:
    with pytest.raises(NotRunning, match=r"postgres\.dsn.*resprout up"):
        attach(settings_of(own_stack), "postgres.dsn")
