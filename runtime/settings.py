"""All settings of every process, in one model: `resprout.toml` < `RESPROUT_*` < command-line flags.

A name that is not in this model is refused, wherever it came from: a setting that is silently ignored is a
setting that somebody believes in. `load` also remembers where each value came from, for `config show`.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ..actors.errors import ConfigError
from .model_settings import ModelsSettings
from .sections import Listed, Port, Section
from .setting_keys import Key, as_variable, fits, is_one_of, keys_within, named_as, of_variable, present

CONFIG_FILE = "resprout.toml"
CONFIG_ENV = "RESPROUT_CONFIG"
PREFIX = "RESPROUT_"
# Names with our prefix that are not settings: the first says where the settings are, the others mark the
# processes of a stack so that they can be found when everything else about it is lost.
STACK_MARK = "RESPROUT_STACK"
SERVICE_MARK = "RESPROUT_SERVICE"
NOT_SETTINGS = {CONFIG_ENV, STACK_MARK, SERVICE_MARK}
SECRET_PREFIX = "RESPROUT_SECRET_"  # and the name of a secret: its value


class PostgresSettings(Section):
    dsn: SecretStr | None = Field(
        default=None,
        description="where Postgres is, as postgresql://user:password@host/db; embedded if unset",
    )
    pool_size: int = Field(default=10, ge=1, le=1000, description="connections a process opens at most")


class TemporalSettings(Section):
    address: str | None = Field(default=None, description="host:port of a Temporal service; embedded if unset")
    namespace: str = Field(default="default", min_length=1)
    task_queue: str = Field(default="resprout", min_length=1)
    api_key: SecretStr | None = None
    tls: bool = Field(default=False, description="connect with TLS (implied by an API key or a certificate)")
    tls_ca: Path | None = Field(default=None, description="CA certificate of the server (PEM)")
    tls_cert: Path | None = Field(default=None, description="client certificate (PEM)")
    tls_key: Path | None = Field(default=None, description="client private key (PEM)")
    large_values_days: int = Field(
        default=30, ge=1, le=3650, description="how long a large value of a run is kept at least, unused"
    )
    ui_url: str | None = Field(default=None, description="where the Temporal UI is, for links to runs")
    port: int | None = Port
    ui_port: int | None = Port

    @field_validator("tls_ca", "tls_cert", "tls_key")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the services of a stack run elsewhere


class RaySettings(Section):
    address: str | None = Field(default=None, description="host:port of a Ray head, or `auto`; embedded if unset")
    auth_token: SecretStr | None = Field(default=None, description="token of a cluster that asks for one")
    loopback: bool | None = Field(
        default=None, description="the cluster listens on 127.0.0.1 only, as the embedded one"
    )
    port: int | None = Port


class QdrantSettings(Section):
    url: str | None = Field(default=None, description="http(s)://host:port of a Qdrant server; embedded if unset")
    api_key: SecretStr | None = None


class AgentsSettings(Section):
    modules: Listed = Field(
        default=(), description="Python modules with your agent classes, imported by hosts; commas in the environment"
    )
    path: Path | None = Field(
        default=None, description="directory from which they are imported; where the command was given if unset"
    )

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the hosts that use it run elsewhere

    @field_validator("modules")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"{name!r} is not the name of a Python module, as in my_project.agents")
        return value


class HostsSettings(Section):
    count: int = Field(default=1, ge=1, le=64, description="host processes on this node")
    lease_seconds: float = Field(default=5.0, ge=2, le=60, description="a host that is silent for so long is replaced")
    agents_in_memory: int = Field(default=20_000, ge=1, description="agents active at once on a host")
    idle_seconds: float = Field(default=300.0, gt=0, description="an agent that is idle for so long leaves memory")
    handled_days: int = Field(default=7, ge=1, le=3650, description="how long a message's id and reply are remembered")
    tenant_rows: int = Field(default=1_000_000, ge=1, description="messages that may wait for a tenant's agents")
    tenant_bytes: int = Field(default=4_000_000_000, ge=1, description="bytes of such messages")


class SandboxSettings(Section):
    isolation: Literal["auto", "process", "container", "gvisor"] = Field(
        default="auto",
        description="of code that names none; auto: a container where there is an engine, else a process",
    )
    warm: int = Field(default=0, ge=0, le=100, description="containers that a worker keeps ready for each language")
    idle_seconds: float = Field(default=1800, gt=0, description="a workspace that is unused for so long is removed")
    life_seconds: float = Field(default=86_400, gt=0, description="how long a workspace is kept at most")
    per_tenant: int = Field(default=20, ge=1, description="workspaces of one tenant")
    at_most: int = Field(default=100, ge=1, description="workspaces of all tenants")
    snapshots: int = Field(default=50, ge=1, description="snapshots of one tenant's workspaces")
    recorded_days: int = Field(
        default=30, ge=2, le=3650, description="how long it is remembered that a key was run, and how it ended"
    )
    net_connections: int = Field(default=10_000, ge=1, description="connections that a run may make")
    net_sent_bytes: int = Field(default=256 << 20, ge=1, description="bytes that a run may send")
    net_received_bytes: int = Field(default=2_048 << 20, ge=1, description="bytes that a run may receive")
    private_hosts: Listed = Field(
        default=(),
        description="hosts with private addresses that `net` may list; commas in the environment",
    )


class PolicySettings(Section):
    dir: Path | None = Field(
        default=None, description="directory with rules of your own (*.rego, data.json), beside those that ship"
    )
    owner: str | None = Field(
        default=None,
        min_length=1,
        description="user who may grant and answer without a grant; of an embedded stack, who started it",
    )

    @field_validator("dir")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the services of a stack run elsewhere


class RolesSettings(Section):
    dir: Path | None = Field(
        default=None, description="directory with roles of your own (*.role.yaml), beside those that ship"
    )

    @field_validator("dir")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the workers that use it run elsewhere


class PluginsSettings(Section):
    keys: Listed = Field(
        default=(), description="public keys, as ed25519:…, whose signatures are trusted; commas in the environment"
    )
    index: str | None = Field(default=None, description="the signed index of plugins: a file or a URL")


class GatewaySettings(Section):
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int | None = Port


class TelemetrySettings(Section):
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON otherwise"
    )
    otlp_endpoint: str | None = Field(
        default=None, description="base URL of an OTLP/HTTP collector; tracing is off if unset"
    )


class Settings(BaseSettings):
    """Frozen: a process reads its settings once."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(default=Path(".resprout"), description="everything the embedded stack keeps")
    postgres: PostgresSettings = PostgresSettings()
    temporal: TemporalSettings = TemporalSettings()
    ray: RaySettings = RaySettings()
    qdrant: QdrantSettings = QdrantSettings()
    agents: AgentsSettings = AgentsSettings()
    hosts: HostsSettings = HostsSettings()
    sandbox: SandboxSettings = SandboxSettings()
    policy: PolicySettings = PolicySettings()
    models: ModelsSettings = ModelsSettings()
    roles: RolesSettings = RolesSettings()
    plugins: PluginsSettings = PluginsSettings()
    gateway: GatewaySettings = GatewaySettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` reads and merges the layers, to know where each value came from


@dataclass(frozen=True)
class Layer:
    """One source of settings: its values by key, and how to name the place of a key in a message."""

    values: Mapping[Key, Any]
    places: Mapping[Key, str]


@dataclass(frozen=True)
class Loaded:
    settings: Settings
    origin: Mapping[Key, str]


def as_plain(settings: Settings) -> dict[str, Any]:
    """The settings with their secrets, as plain values that `Settings(**…)` takes back."""
    plain: dict[str, Any] = {}
    for key in keys_of(settings):
        value = value_of(settings, key)
        if value is not None:
            _put(plain, key, _plain(value))
    return plain


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return ",".join(value)
        case Path():
            return str(value)
        case _:
            return value


def known_keys() -> Iterator[Key]:
    """All that there can be, with `NAME` where users name sections of their own."""
    return keys_within(Settings)


def keys_of(settings: Settings) -> Iterator[Key]:
    """All that there are here."""
    for pattern in known_keys():
        yield from present(settings, pattern)


def value_of(settings: Settings, key: Key) -> Any:
    value: Any = settings
    for name in key:
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


def find_key(dotted: str) -> Key | None:
    key = tuple(dotted.split("."))
    return key if is_one_of(key, frozenset(known_keys())) else None


def env_name(key: Key) -> str:
    return PREFIX + as_variable(key)


def load(
    flags: Mapping[Key, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    *,
    spelled: Mapping[Key, str] | None = None,
    config_file: Path | None = None,
) -> Loaded:
    """Merges file, environment and flags (later wins); refuses what it does not know, naming the place.

    `spelled` is how the user wrote a flag, `config_file` the file named by `--config`.
    """
    directory = directory or Path.cwd()
    layers = [
        _file_layer(*_file(config_file, environ, directory)),
        _env_layer(environ),
        _flag_layer(flags or {}, spelled or {}),
    ]
    nested: dict[str, Any] = {}
    origin: dict[Key, str] = {}
    for layer in layers:
        for key, value in layer.values.items():
            _put(nested, key, value)
            origin[key] = layer.places[key]
    if nested.get("agents", {}).get("modules") and "path" not in nested["agents"]:
        _put(nested, ("agents", "path"), directory)
        origin["agents", "path"] = "this directory"
    try:
        settings = Settings(**nested)
    except ValidationError as error:
        raise ConfigError(_sentence(error, origin)) from None
    origin = {**dict.fromkeys(keys_of(settings), "default"), **origin}
    _check_together(settings, origin)
    return Loaded(settings, origin)


def _file(named: Path | None, environ: Mapping[str, str], directory: Path) -> tuple[Path, str | None]:
    """Where the settings file is, and who says that there is one."""
    if named is not None:
        return named, "--config"
    if CONFIG_ENV in environ:
        return Path(environ[CONFIG_ENV]), CONFIG_ENV
    return directory / CONFIG_FILE, None


def _file_layer(path: Path, named_by: str | None) -> Layer:
    if not path.exists():
        if named_by is not None:
            raise ConfigError(f"{named_by} names {path}, which does not exist. Create it, or leave {named_by} out.")
        return Layer({}, {})
    try:
        text = path.read_text()
        flat = dict(flatten(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        last = f"(at line {max(1, len(text.splitlines()))}, the last)"
        reason = str(error).replace("(at end of document)", last)
        raise ConfigError(f"{path} is not valid TOML: {reason}. Mend that line.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    places = {key: f"{path}:{_line_of(text, key)}" for key in flat}
    known = frozenset(known_keys())
    for key in flat:
        if not is_one_of(key, known):
            raise ConfigError(unknown_key(key, places[key]))
    return Layer(flat, places)


def _env_layer(environ: Mapping[str, str]) -> Layer:
    known = frozenset(known_keys())
    values: dict[Key, Any] = {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and not name.startswith(SECRET_PREFIX):
            bare = name.removeprefix(PREFIX)
            key = of_variable(bare, known)
            if key is None:
                # Without the prefix, which would make every name near to every other.
                candidates = [*map(as_variable, known), CONFIG_ENV.removeprefix(PREFIX)]
                raise ConfigError(_unknown(bare, "the environment", candidates, PREFIX))
            values[key] = value
    return Layer(values, {key: f"environment {env_name(key)}" for key in values})


def _flag_layer(flags: Mapping[Key, Any], spelled: Mapping[Key, str]) -> Layer:
    return Layer(flags, {key: spelled.get(key) or "flag --" + "-".join(key).replace("_", "-") for key in flags})


def flatten(table: Mapping[str, Any], prefix: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in table.items():
        key = (*prefix, name)
        if isinstance(value, dict) and (value or any(len(key) < len(k) and fits(key, k) for k in known_keys())):
            yield from flatten(value, key)
        else:
            yield key, value


def nested(flat: Mapping[Key, Any]) -> dict[str, Any]:
    """The reverse of `flatten`."""
    table: dict[str, Any] = {}
    for key, value in flat.items():
        _put(table, key, value)
    return table


def _put(nested: dict[str, Any], key: Key, value: Any) -> None:
    for name in key[:-1]:
        nested = nested.setdefault(name, {})
    nested[key[-1]] = value


def _line_of(text: str, key: Key) -> int:
    """The line that sets `key`; line 1 for spellings that this simple search does not see."""
    section: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.\- ]+?)\s*\]", line):
            section = tuple(part.strip() for part in header[1].split("."))
            if section == key:
                return number
        elif (pair := re.match(r"\s*([\w.\-]+)\s*=", line)) and key[: len(section)] == section:
            name = tuple(pair[1].split("."))
            if key[len(section) :][: len(name)] == name:
                return number
    return 1


def unknown_key(key: Key, place: str) -> str:
    candidates = [".".join(named_as(key, pattern)) for pattern in known_keys()]
    return _unknown(".".join(key), place, candidates)


def _unknown(name: str, place: str, candidates: list[str], prefix: str = "") -> str:
    near = _near(name, candidates)
    remedy = f"Did you mean `{prefix}{near}`?" if near else "`resprout config show` lists every setting."
    return f"unknown setting `{prefix}{name}` in {place}. {remedy}"


def _near(name: str, candidates: list[str]) -> str | None:
    """A name that is misspelled a little, or lacks its section; a far-fetched guess would only mislead."""
    if misspelled := get_close_matches(name, candidates, n=1, cutoff=0.8):
        return misspelled[0]
    sectionless = [known for known in candidates if known.endswith((f".{name}", f"_{name}"))]
    return sectionless[0] if len(sectionless) == 1 else None


def _sentence(error: ValidationError, origin: Mapping[Key, str]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key = tuple(str(part) for part in first["loc"])
    known = next((k for k in origin if key[: len(k)] == k), key)
    reason = first["msg"].removeprefix("Value error, ")
    return f"setting `{'.'.join(known)}` from {origin.get(known, 'the settings')} has a bad value: {reason}."


def _check_together(settings: Settings, origin: Mapping[Key, str]) -> None:
    temporal = settings.temporal
    if (temporal.tls_cert is None) != (temporal.tls_key is None):
        raise ConfigError("`temporal.tls_cert` and `temporal.tls_key` belong together: set both or neither.")
    for name in ("tls_ca", "tls_cert", "tls_key"):
        path = getattr(temporal, name)
        if path is not None and not path.is_file():
            raise ConfigError(f"setting `temporal.{name}` from {origin['temporal', name]} names {path}, not a file.")
