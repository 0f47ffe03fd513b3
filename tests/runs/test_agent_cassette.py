"""Runs of agents with their models on a cassette: recorded by one run, replayed by another, without a provider."""

from pathlib import Path

from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from support.model_server import Turn, Use
from support.providers import Providers
from support.stack import Stack, stack_of


async def counted(stack: Stack, model: str, run: str) -> object:
    settings = attach(Settings(data_dir=stack.data_dir), "postgres.dsn", "temporal.address")
    async with await Client.connect(settings) as client:
        return await client.run_agent("count", id=run, agent=run, model=model, tools=("text.count",))


async def test_what_one_run_has_recorded_is_replayed_in_another_run_of_another_agent(
    providers: Providers, tmp_path: Path
) -> None:
    model = providers.will(Turn(uses=(Use("text.count", {"text": "one two"}),)), Turn("two words"))
    cassette = {"RESPROUT_MODELS_CASSETTE": str(tmp_path / "calls.jsonl"), "RESPROUT_MODELS_CASSETTE_MODE": "record"}
    with stack_of({**providers.environment, **cassette}) as stack:
        stack.up()
        recorded = await counted(stack, model, "first")
        stack.down()
        stack.env["RESPROUT_MODELS_CASSETTE_MODE"] = "replay"
        stack.up()
        replayed = await counted(stack, model, "second")

    assert recorded == replayed == "two words"
    assert providers.positions(model) == [0, 1]
