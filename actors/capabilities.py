"""What an agent can be asked to do, as the registry tells it to people and to other agents."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Capability(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}  # JSON Schema
    permissions: tuple[str, ...] = ()  # what whoever uses it must be allowed to do
