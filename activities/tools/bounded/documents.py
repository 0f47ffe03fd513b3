"""YAML and TOML. A few lines of YAML can stand for gigabytes, by references to references."""

import io
import tomllib
from datetime import date, datetime, time
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from .process import Refused

MOST_NODES = 500_000


def parse_yaml(text: str) -> list[Any]:
    """All its documents."""
    try:
        documents = list(YAML(typ="safe", pure=True).load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "somewhere"
        raise Refused(f"`text` is no YAML, {where}: {error.problem}.") from None
    except (YAMLError, ValueError) as error:
        raise Refused(f"`text` is no YAML: {str(error).splitlines()[0][:300]}.") from None
    return list(_as_json(documents, [MOST_NODES]))


def parse_toml(text: str) -> Any:
    try:
        return _as_json(tomllib.loads(text), [MOST_NODES])
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"`text` is no TOML: {error}.") from None


def dump_yaml(value: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # as given
    yaml.width = 120
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue().removesuffix("...\n")


def _as_json(value: Any, room: list[int]) -> Any:
    room[0] -= 1
    if room[0] < 0:
        raise Refused(f"`text` stands for more than {MOST_NODES:,} values: leave out some, or its references.")
    match value:
        case dict():
            return {_key(key): _as_json(one, room) for key, one in value.items()}
        case list() | tuple() | set():
            return [_as_json(one, room) for one in value]
        case datetime() | date() | time():
            return value.isoformat()
        case None | bool() | int() | float() | str():
            return value
    raise Refused(
        f"`text` has a value of the type {type(value).__name__}, which JSON has no word for: write it as text."
    )


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return "null" if key is None else str(key)
