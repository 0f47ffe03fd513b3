"""Tasks of flows for tests, and flow files of them."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4


def step(id: str, **words: Any) -> dict[str, Any]:  # noqa: A002 - as in a flow
    """A task that asks a step agent; words of the message stand in `do`."""
    do = words.pop("do", {})
    return {"id": id, "agent": f"@{id}", "ask": "step.do", "with": {"value": id, **do}, **words}


def flow_file(directory: Path, tasks: list[dict[str, Any]], name: str = "test", **words: Any) -> Path:
    """JSON is YAML. In each text, `@name` stands for a step agent that no other file has."""
    path = directory / f"{name}.flow.yaml"
    document = {"flow": {"name": name, **words.pop("header", {})}, "tasks": tasks, **words}
    path.write_text(json.dumps(own(document, f"step/{uuid4().hex[:10]}-"), indent=1))
    return path


def own(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {key: own(inner, prefix) for key, inner in value.items()}
    if isinstance(value, list):
        return [own(inner, prefix) for inner in value]
    return prefix + value[1:] if isinstance(value, str) and value.startswith("@") else value
