"""Inputs from the command line: a JSON file, and `K=V` pairs that win over it."""

import json
import re
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
    return inputs | read_pairs(pairs)


def read_pairs(pairs: list[str], option: str = "--input", example: str = "name=ada") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {pair}: write it as K=V, as in {option} {example}.")
        if name in values:
            raise ConfigError(f"{option} {name} is given twice. Leave one out.")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def remedy(reason: str) -> str:
    """What to do about a number where text belongs: the shell cannot tell the two apart, JSON's quotes can."""
    wants_text = re.search(r"(\w+): Input should be a valid string|input `(\w+)`: \S+ is an? \w+, not a text", reason)
    if wants_text is None:
        return ""
    name = wants_text[1] or wants_text[2]
    return f"""{"" if reason.endswith(".") else "."} For text that looks like a number, write --input {name}='"5"'"""
