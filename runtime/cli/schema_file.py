"""A JSON Schema in a file that an option names."""

import json
from pathlib import Path
from typing import Any

from ...actors.errors import ConfigError


def schema_in(file: Path, option: str) -> dict[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{option} {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"{option} {file} is not valid JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise ConfigError(f'{option} {file} must hold a JSON Schema, as in {{"type": "object"}}.')
    return schema
