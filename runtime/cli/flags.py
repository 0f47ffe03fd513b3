"""From command-line options to settings: every command reads its settings through `settings_of`.

An option that was not given is not a value: it must not hide one that `--set` gave.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ...actors.errors import ConfigError
from ..setting_keys import Key
from ..settings import Loaded, find_key, load, unknown_key

GLOBAL = {"--data-dir", "--config", "--set"}

# A command's own options: how each is spelled, which setting it is, and its value (None: not given).
Options = Mapping[str, tuple[Key, Any]]


@dataclass(frozen=True)
class Flags:
    """What was given, and how it was spelled, for messages."""

    values: Mapping[Key, Any]
    spelled: Mapping[Key, str]
    config_file: Path | None = None

    def and_(self, options: Options) -> "Flags":
        given = {name: (key, value) for name, (key, value) in options.items() if value is not None}
        return Flags(
            {**self.values, **dict(given.values())},
            {**self.spelled, **{key: f"flag {name}" for name, (key, _) in given.items()}},
            self.config_file,
        )


def global_flags(pairs: list[str], *, data_dir: str | None, config_file: str | None) -> Flags:
    values: dict[Key, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(
                f"--set {pair}: write it as KEY=VALUE with a key of `resprout config show`, as in hosts.count=2."
            )
        key = find_key(name)
        if key is None:
            raise ConfigError(unknown_key(tuple(name.split(".")), "--set"))
        values[key] = value
    flags = Flags(values, {key: f"--set {'.'.join(key)}" for key in values}, Path(config_file) if config_file else None)
    return flags.and_({"--data-dir": (("data_dir",), data_dir)})


def settings_of(ctx: typer.Context, options: Options | None = None) -> Loaded:
    flags: Flags = ctx.obj.and_(options or {})
    return load(flags.values, spelled=flags.spelled, config_file=flags.config_file)
