from pathlib import Path

import pytest
from resprout.actors.errors import ConfigError
from resprout.runtime.settings import Settings, as_plain, env_name, known_keys, load


def refusal(environ: dict[str, str], directory: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ, directory=directory)
    return str(caught.value)


def write(directory: Path, text: str) -> Path:
    path = directory / "resprout.toml"
    path.write_text(text)
    return path


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    write(tmp_path, "[gateway]\nport = 1001\n[hosts]\ncount = 2\n[ray]\nport = 1001")
    environ = {"RESPROUT_GATEWAY_PORT": "1002", "RESPROUT_RAY_PORT": "1002"}

    loaded = load({("gateway", "port"): 1003}, environ, tmp_path)

    assert (loaded.settings.gateway.port, loaded.settings.ray.port, loaded.settings.hosts.count) == (1003, 1002, 2)
    assert loaded.origin["gateway", "port"] == "flag --gateway-port"
    assert loaded.origin["ray", "port"] == "environment RESPROUT_RAY_PORT"
    assert loaded.origin["hosts", "count"] == f"{tmp_path / 'resprout.toml'}:4"
    assert loaded.origin["temporal", "namespace"] == "default"


def test_every_setting_can_be_given_by_environment() -> None:
    for key in known_keys():
        name = env_name(key)
        assert load(environ={name: "1"} if key[-1] in ("count", "port", "ui_port", "pool_size") else {}), name
    assert env_name(("temporal", "api_key")) == "RESPROUT_TEMPORAL_API_KEY"


def test_an_unknown_environment_variable_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    text = refusal({"RESPROUT_POSTGRES_DNS": "x"}, tmp_path)

    assert "RESPROUT_POSTGRES_DNS" in text
    assert "RESPROUT_POSTGRES_DSN" in text


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("RESPROUT_CONFG", "Did you mean `RESPROUT_CONFIG`?"),
        ("RESPROUT_LOG_LEVEL", "Did you mean `RESPROUT_TELEMETRY_LOG_LEVEL`?"),
        ("RESPROUT_FOO", "`resprout config show` lists every setting."),
        ("RESPROUT_GATEWAY_FOO", "`resprout config show` lists every setting."),
    ],
)
def test_only_a_name_that_is_really_near_is_suggested(tmp_path: Path, name: str, suggestion: str) -> None:
    assert refusal({name: "1"}, tmp_path) == f"unknown setting `{name}` in the environment. {suggestion}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[postgres]\nprot = 3", ["postgres.prot", ":2"]),
        ("[gateway]\n\nport = 'abc'", ["gateway.port", ":3", "integer"]),
        ("gateway = 3", ["gateway", ":1"]),
        ("[hosts]\ncount = 0", ["hosts.count", ":2", "greater than or equal to 1"]),
        ("[hosts]\ncount = = 2", ["not valid TOML", "line 2"]),
        ("[hosts]\npostgres = [\n", ["not valid TOML", "at line 2, the last"]),
        ("[telemetry]\nlog_level = 'loud'", ["telemetry.log_level", ":2", "'debug'"]),
        ("[temporal]\ntls_cert = '/nope'", ["tls_cert", "tls_key", "both"]),
        ("[temporal]\ntls_ca = '/nope'", ["temporal.tls_ca", ":2", "/nope"]),
    ],
)
def test_a_bad_file_is_refused_with_key_place_and_remedy(tmp_path: Path, content: str, words: list[str]) -> None:
    write(tmp_path, content)

    text = refusal({}, tmp_path)

    assert [word for word in words if word not in text] == []
    assert "\n" not in text


def test_a_config_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert "RESPROUT_CONFIG names /nope.toml" in refusal({"RESPROUT_CONFIG": "/nope.toml"}, tmp_path)
    with pytest.raises(ConfigError, match=r"--config names /nope\.toml"):
        load(environ={}, directory=tmp_path, config_file=Path("/nope.toml"))


def test_a_secret_is_in_no_error_and_no_repr(tmp_path: Path) -> None:
    environ = {"RESPROUT_POSTGRES_DSN": "postgresql://u:hush@h/d", "RESPROUT_HOSTS_COUNT": "none"}

    assert "hush" not in refusal(environ, tmp_path)
    settings = load(environ={"RESPROUT_POSTGRES_DSN": "postgresql://u:hush@h/d"}).settings
    assert "hush" not in repr(settings)


def test_settings_survive_the_way_to_another_process() -> None:
    settings = load(
        {("postgres", "dsn"): "postgresql://u:p@h/d", ("temporal", "tls"): "true", ("hosts", "count"): "3"}, {}
    ).settings

    assert Settings(**as_plain(settings)) == settings


def test_certificates_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").touch()

    settings = load(environ={"RESPROUT_TEMPORAL_TLS_CA": "ca.pem"}).settings

    assert settings.temporal.tls_ca == tmp_path / "ca.pem"


HOUSE = "[models.providers.house]\nbase_url = 'http://house:1/v1'\nat_once = 3"


def test_sections_that_users_name_come_from_anywhere_and_say_where_from(tmp_path: Path) -> None:
    path = write(tmp_path, HOUSE)
    key = ("models", "providers", "other-2", "key")
    environ = {env_name(key): "secret://other", "RESPROUT_MODELS_PROVIDERS_HOUSE_AT_ONCE": "5"}

    loaded = load({("models", "providers", "house", "protocol"): "anthropic"}, environ, tmp_path)

    house, other = (loaded.settings.models.providers[name] for name in ("house", "other-2"))
    assert (house.base_url, house.at_once, house.protocol) == ("http://house:1/v1", 5, "anthropic")
    assert other.key == "secret://other"
    assert loaded.origin["models", "providers", "house", "base_url"] == f"{path}:2"
    assert loaded.origin[key] == "environment RESPROUT_MODELS_PROVIDERS_OTHER_2_KEY"
    assert loaded.origin["models", "providers", "house", "tokens_per_minute"] == "default"
    assert Settings(**as_plain(loaded.settings)) == loaded.settings


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[models.providers.house]\nbase_ulr = 'x'", "Did you mean `models.providers.house.base_url`?"),
        ("[models.providers.House_1]\nkey = 'secret://x'", "unknown setting `models.providers.House_1.key` in"),
        ("[models.providers]\nhouse = 5", "unknown setting `models.providers.house` in"),
        ("[models.providers.house]\nkey = 'sk-hush'", "must be a reference, as secret://house, whose value is in"),
        ("[models.providers.house]\nbase_url = 'http://u:hush@h'", "without a user or password"),
        ("[models.providers.house]\nat_once = 0", "setting `models.providers.house.at_once` from"),
        ("[models]\ndefault = []", "setting `models.default` from"),
    ],
)
def test_mistakes_in_sections_that_users_name_are_told_like_others(tmp_path: Path, content: str, sentence: str) -> None:
    write(tmp_path, content)

    text = refusal({}, tmp_path)

    assert sentence in text
    assert "hush" not in text
    assert f"{tmp_path / 'resprout.toml'}:2" in text
