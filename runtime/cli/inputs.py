"""Inputs from the command line: a JSON file, and `K=V` pairs that win over it."""

import json
from pathlib import Path
from typing import Any

from ...actors.errors import ConfigError


def read_inputs(pairs: list[str], file: Path | None) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    if file is not None:
        try:
            inputs = json.loads(file.read_text())
        except OSError as error:
            raise ConfigError(f"--input-file {file} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise ConfigError(f"--input-file {file} is not valid JSON: {error}.") from None
        if not isinstance(inputs, dict):
            raise ConfigError(f'--input-file {file} must hold a JSON object, as in {{"name": "ada"}}.')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--input {pair}: write it as K=V, as in --input name=ada.")
        try:
            inputs[name] = json.loads(value)
        except ValueError:
            inputs[name] = value
    return inputs
