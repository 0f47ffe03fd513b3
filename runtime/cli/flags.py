"""From command-line options to settings: every command reads its settings through `settings_of`."""

import os
from typing import Any

import typer

from ...actors.errors import ConfigError
from ..settings import CONFIG_ENV, Key, Loaded, known_keys, load

GLOBAL = {"--data-dir", "--config", "--set"}


def parse_set(pairs: list[str], *, data_dir: str | None, config_file: str | None) -> dict[Key, Any]:
    if config_file is not None:
        os.environ[CONFIG_ENV] = config_file
    flags: dict[Key, Any] = {("data_dir",): data_dir} if data_dir is not None else {}
    known = {".".join(key): key for key in known_keys()}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise ConfigError(
                f"--set {pair}: write it as KEY=VALUE with a key of `resprout config show`, as in hosts.count=2."
            )
        flags[known[name]] = value
    return flags


def settings_of(ctx: typer.Context, more: dict[Key, Any] | None = None) -> Loaded:
    return load({**(ctx.obj or {}), **(more or {})})
