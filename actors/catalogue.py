"""All message types and agent kinds that this process knows, as one JSON document with JSON Schemas."""

from typing import Any

from .agent import Agent
from .kinds import agent_classes
from .message import message_types


def catalogue() -> dict[str, Any]:
    return {
        "messages": {
            kind.message_name: {"version": kind.message_version, "schema": kind.model_json_schema()}
            for kind in sorted(message_types(), key=lambda kind: kind.message_name)
        },
        "kinds": {kind.kind: describe(kind) for kind in agent_classes()},
    }


def describe(kind: type[Agent]) -> dict[str, Any]:
    options = kind.options
    return {
        "version": options.version,
        "description": (kind.__doc__ or "").strip().partition("\n")[0],
        "framework": options.framework,
        "models": list(options.models),
        "labels": dict(options.labels),
        "capabilities": [capability.model_dump(mode="json") for capability in options.capabilities],
        "ephemeral": options.ephemeral,
        "state": kind.model_json_schema(mode="serialization"),  # without what is ephemeral
        "handlers": {
            name: {
                "method": handler.method,
                "reply": handler.reply.message_name if handler.reply else None,
                "busy": handler.busy,
            }
            for name, handler in sorted(kind.handlers.items())
        },
    }
