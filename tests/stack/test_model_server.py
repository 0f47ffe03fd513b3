"""The bundled model as a service of a stack: found by every process, started again, gone with the stack."""

import asyncio
from pathlib import Path

import psutil
import pytest
from resprout.activities.models.local import LocalModel
from resprout.actors.models import FromUser, ModelLost, ModelRequest, complete
from resprout.runtime.local_model import local_model
from resprout.runtime.settings import load
from resprout.runtime.stack.find import attach
from support.stack import Stack, eventually, kill

ASKED = ModelRequest(model="local", messages=(FromUser(text="What is the capital of France?"),), max_tokens=20)


def model_beside(stack: Stack) -> LocalModel:
    return local_model(attach(load({("data_dir",): str(stack.data_dir)}, {}).settings).models.local)


async def test_every_process_beside_a_stack_finds_its_model(stack: Stack) -> None:
    reply = await complete(model_beside(stack), ASKED)

    assert "Paris" in reply.message.text
    hosts = psutil.Process(stack.pid("hosts")).environ()
    assert hosts["RESPROUT_MODELS_LOCAL_URL"] == stack.service("model-server")["endpoint"]


async def test_a_model_server_killed_in_the_middle_of_an_answer_is_there_again(stack: Stack) -> None:
    before = stack.pid("model-server")
    novel = ASKED.model_copy(update={"max_tokens": 2_000, "messages": (FromUser(text="Write a novel."),)})
    stream = aiter(model_beside(stack).stream(novel))
    await anext(stream)

    kill(before)

    with pytest.raises(ModelLost):
        [said async for said in stream]
    await asyncio.to_thread(eventually, lambda: stack.pid("model-server") != before, "another process")
    await asyncio.to_thread(stack.wait_healthy)
    assert "Paris" in (await complete(model_beside(stack), ASKED)).message.text


def test_where_another_model_server_is_configured_none_is_started(own_stack: Stack) -> None:
    own_stack.env["RESPROUT_MODELS_LOCAL_URL"] = "http://127.0.0.1:9"

    own_stack.up()

    assert "model-server" not in {service["name"] for service in own_stack.status()["services"]}


def test_weights_that_are_not_there_are_refused_before_anything_starts(own_stack: Stack, tmp_path: Path) -> None:
    own_stack.env["RESPROUT_MODELS_LOCAL_WEIGHTS"] = str(tmp_path / "none.gguf")

    done = own_stack("up", "--detach")

    assert done.returncode == 2
    assert "none.gguf" in done.stderr
    assert "models.local.weights" in done.stderr
