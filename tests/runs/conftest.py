"""A stack with the agents of `support.steps` and models that say what they are told, and runs on it from Python."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from resprout.runtime import temporal
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from support import histories
from support.canaries import CANARIES
from support.collector import Collector
from support.engine import engine_api, images
from support.histories import RECORD
from support.providers import Providers
from support.runs import Runs
from support.stack import Stack, stack_of

__all__ = ["engine_api", "images"]


@pytest.fixture(scope="package")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    with Providers(tmp_path_factory.mktemp("providers")) as providers:
        yield providers


@pytest.fixture(scope="package")
def runs_stack(collector: Collector, providers: Providers) -> Iterator[Stack]:
    env = {
        "RESPROUT_AGENTS_MODULES": "support.steps,support.world",
        "RESPROUT_AGENTS_PATH": str(Path(__file__).resolve().parents[1]),
        "RESPROUT_TELEMETRY_OTLP_ENDPOINT": collector.endpoint,
        **providers.environment,
        **CANARIES,
    }
    with stack_of(env) as stack:
        stack.up()
        yield stack


@pytest.fixture
async def runs(runs_stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Runs]:
    runs_stack.wait_healthy()
    settings = attach(Settings(data_dir=runs_stack.data_dir), "temporal.address", "postgres.dsn")
    runs = Runs(await temporal.client_of(settings), runs_stack)
    yield runs
    if os.environ.get(RECORD):
        await histories.record(runs, request.node.name)
