"""What a provider wants back as it was: thoughts under its signature, items with their ids, in their order.

It stands in `FromModel.aside` by provider and protocol, and only there where something would be lost without it. It is
given back to nobody else, and only while it tells of the same uses of tools: a conversation that was cut must not
bring back what was cut away.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from ...actors.models import FromModel
from .provider import Provider

Blocks = list[dict[str, Any]]


def set_aside(provider: Provider, protocol: str, blocks: Blocks) -> dict[str, JsonValue]:
    kept: list[JsonValue] = [{**block} for block in blocks]
    return {provider.name: {protocol: kept}}


def from_aside(provider: Provider, protocol: str, said: FromModel, id_field: str) -> Blocks | None:
    """`id_field` is where blocks have the id of a use."""
    kept = said.aside.get(provider.name)
    blocks = kept.get(protocol) if isinstance(kept, dict) else None
    if not isinstance(blocks, list):
        return None
    whole: Blocks = [block for block in blocks if isinstance(block, dict)]
    return whole if _uses(whole, id_field) == [use.id for use in said.uses] else None


def _uses(blocks: Iterable[dict[str, Any]], id_field: str) -> list[Any]:
    return [block[id_field] for block in blocks if block.get("type") in ("tool_use", "function_call")]
