"""One call of a tool as the ledger has it, what is asked of the ledger, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Effect:
    key: str
    tenant: str
    run: str
    step: str
    tool: str
    version: str
    source: str
    contract: str
    chain: list[str]
    arguments: str  # JSON
    digest: str
    state: str
    owner: UUID
    attempts: int
    agains: int  # how often a person had it done again
    intended_at: datetime
    tried_at: datetime
    ended_at: datetime | None
    result: str | None  # JSON
    error_type: str | None
    error: str | None
    resolved_by: str | None
    resolution: str | None


@dataclass(frozen=True)
class Intent:
    key: str
    tenant: str
    run: str
    step: str
    tool: str
    version: str
    source: str
    contract: str
    chain: Sequence[str]
    arguments: dict[str, Any]
    digest: str
    owner: UUID


@dataclass(frozen=True)
class Limit:
    """At most so many calls in the time before now."""

    tool: str  # or '*'
    principal: str  # or '*'
    calls: int
    per: timedelta


@dataclass(frozen=True)
class Begun:
    at: datetime


@dataclass(frozen=True)
class Known:
    effect: Effect


@dataclass(frozen=True)
class Over:
    limit: Limit
    frees_in: timedelta


@dataclass(frozen=True)
class NoApproval:
    """It was used before, or taken back."""
