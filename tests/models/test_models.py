"""All models of a process behind one: names, keys, and what calls leave behind."""

import io
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from resprout.actors.models import BadKey, FromModel, ModelFailed, UnknownModel, complete
from resprout.runtime import model_telemetry
from resprout.runtime.model_settings import ModelsSettings
from resprout.runtime.models import Models
from resprout.runtime.settings import TelemetrySettings
from resprout.runtime.telemetry import configure_logs, render
from support.model_server import ModelServer, Turn, one_after_the_other
from support.openai_server import OpenAIDialect
from support.speakers import KEY, PROTOCOLS, request

PROMPT = "a canary that nobody should see"
REPLY = "a canary that sang"


@pytest.fixture
async def servers() -> Any:
    """Of OpenAI's and of Anthropic's protocol, which fail once and then answer."""
    async with AsyncExitStack() as stack:
        found = {}
        for protocol in PROTOCOLS[1:]:
            script = one_after_the_other(Turn(status=500), Turn(text=REPLY, input_tokens=50, cached_tokens=30))
            server = ModelServer(protocol.dialect, script)
            found[protocol.provider] = await stack.enter_async_context(server.listening())
        yield found


def settings(servers: dict[str, ModelServer], **fields: Any) -> ModelsSettings:
    providers = {
        "openai": {"base_url": servers["openai"].url + "/v1"},
        "anthropic": {"base_url": servers["anthropic"].url},
        "house": {"base_url": servers["openai"].url + "/v1", "key": "secret://house-key"},
    }
    return ModelsSettings.model_validate({"providers": providers, **fields})


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "HOUSE_KEY"):
        monkeypatch.setenv(f"RESPROUT_SECRET_{name}", KEY)


@pytest.mark.parametrize("name", ["openai/gpt-5", "anthropic/claude-1", "house/some/model"])
async def test_a_name_leads_to_its_provider(servers: dict[str, ModelServer], name: str) -> None:
    async with Models(settings(servers)) as models:
        reply = await complete(models, request(name, PROMPT))

    server = servers["anthropic" if name.startswith("anthropic") else "openai"]
    assert (reply.message.text, reply.model) == (REPLY, name)
    assert [call.body["model"] for call in server.heard] == [name.partition("/")[2]] * 2
    assert server.heard[0].path == {"openai": "/v1/responses", "anthropic": "/v1/messages"}.get(
        name.partition("/")[0], "/v1/chat/completions"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "opnai/gpt-5",
            "there is no provider 'opnai': there are anthropic, house, local, openai. Did you mean openai?",
        ),
        ("gpt-5", "'gpt-5' names no provider: write it as provider/name, with one of anthropic, house, local, openai."),
        ("openai", "'openai' names no model of openai: write it as openai/name."),
        ("openai/gpt-5,opnai/x", "there is no provider 'opnai'"),
        (" , ", "names no model: write one as provider/name, or local."),
    ],
)
async def test_a_name_that_leads_nowhere_is_refused_with_those_that_are_there(
    servers: dict[str, ModelServer], name: str, words: str
) -> None:
    async with Models(settings(servers)) as models:
        with pytest.raises(UnknownModel) as caught:
            await complete(models, request(name))

    assert words in str(caught.value)
    assert servers["openai"].calls == 0


async def test_a_provider_without_a_key_names_the_variable_and_the_chain_goes_on(
    servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RESPROUT_SECRET_OPENAI")
    async with Models(settings(servers)) as models:
        with pytest.raises(BadKey, match=r"^openai has no key: set RESPROUT_SECRET_OPENAI to a key of openai"):
            await complete(models, request("openai/gpt-5"))
        reply = await complete(models, request("openai/gpt-5, anthropic/claude-1"))

    assert reply.model == "anthropic/claude-1"


async def test_a_key_that_can_be_none_is_refused_without_being_shown(
    servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPROUT_SECRET_OPENAI", "sk-secret\n")
    async with Models(settings(servers)) as models:
        with pytest.raises(BadKey) as caught:
            await complete(models, request("openai/gpt-5"))

    assert "sk-secret" not in str(caught.value)


async def test_who_set_no_key_for_a_provider_that_wants_one_is_told_where_it_is_set() -> None:
    refusing = ModelServer(OpenAIDialect(), one_after_the_other(Turn(status=401)))
    async with refusing.listening():
        house = ModelsSettings.model_validate({"providers": {"house": {"base_url": refusing.url + "/v1"}}})
        async with Models(house) as models:
            with pytest.raises(BadKey) as caught:
                await complete(models, request("house/able-1"))

    assert str(caught.value) == (
        "house wants a key, and none is set (401, an_error): set `models.providers.house.key` to secret://house, and "
        "RESPROUT_SECRET_HOUSE to the key where hosts run."
    )


async def test_a_local_model_that_does_not_run_says_how_it_does() -> None:
    async with Models(ModelsSettings()) as models:
        assert models.default == "local"
        with pytest.raises(UnknownModel, match="Start a stack with `resprout up`"):
            await complete(models, request("local"))


async def test_a_local_server_is_a_provider_whose_address_is_set(servers: dict[str, ModelServer]) -> None:
    local = {"providers": {"local": {"base_url": servers["openai"].url + "/v1"}}}
    async with Models(ModelsSettings.model_validate(local)) as models:
        reply = await complete(models, request("local"))

    assert (reply.model, servers["openai"].heard[0].path) == ("local", "/v1/chat/completions")


async def test_a_cassette_answers_without_a_key_or_a_network(servers: dict[str, ModelServer], tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    asked = request("openai/gpt-5", PROMPT)
    async with Models(settings(servers, cassette=path, cassette_mode="record")) as models:
        first = await complete(models, asked)

    async with Models(ModelsSettings(cassette=path)) as models:
        assert await complete(models, asked) == first
    assert servers["openai"].calls == 2


@contextmanager
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(model_telemetry, "tracer", provider.get_tracer("test"))
    # So that a library's own spans would be seen, too.
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    yield exporter


@pytest.mark.parametrize("name", ["openai/watched-1", "anthropic/watched-2", "house/watched-3"])
async def test_each_try_leaves_a_span_and_numbers_and_nothing_of_what_was_said(
    servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lines = io.StringIO()
    configure_logs(TelemetrySettings(log_level="debug", log_format="json"), "test", stream=lines)
    with spans(monkeypatch) as exporter:
        async with Models(settings(servers)) as models:
            await complete(models, request(name, PROMPT, messages=[FromModel(text=PROMPT)]))
        failed, answered = exporter.get_finished_spans()

    provider, _, model = name.partition("/")
    assert failed.attributes is not None
    assert answered.attributes is not None
    assert failed.attributes["resprout.outcome"] == ModelFailed.__name__
    assert answered.name == f"chat {model}"
    assert answered.attributes["gen_ai.provider.name"] == provider
    assert answered.attributes["gen_ai.usage.input_tokens"] == 50
    assert answered.attributes["gen_ai.usage.cache_read.input_tokens"] == 30
    metrics = render()[0].decode()
    labels = f'model="{model}",outcome="%s",provider="{provider}"'
    assert f"resprout_model_calls_total{{{labels % 'end'}}} 1.0" in metrics
    assert f"resprout_model_calls_total{{{labels % 'ModelFailed'}}} 1.0" in metrics
    assert f'resprout_model_tokens_total{{kind="cached",model="{model}",provider="{provider}"}} 30.0' in metrics
    everything = json.dumps([json.loads(span.to_json()) for span in (failed, answered)]) + metrics + lines.getvalue()
    assert "a model is asked again" in everything
    assert not [word for word in (KEY, PROMPT, REPLY) if word in everything]
