"""Who pays for a call of a model, and by which name the call is known."""

from pydantic import Field

from .conversation import Word


class Account(Word):
    tenant: str = "default"
    budget: str | None = Field(default=None, description="the innermost budget; all above it pay too")
    run: str | None = None
    agent: str | None = Field(default=None, description="kind/key")
    step: str | None = Field(
        default=None, description="names this call: the same each time that it is tried, so that a lost one is seen"
    )
