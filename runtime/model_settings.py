"""The settings of language models: `[models]`, and each provider as `[models.providers.NAME]`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ..activities.secrets import REFERENCE
from .sections import Listed, Port, Section
from .setting_keys import GIVEN_NAME

Protocol = Literal["openai-chat", "openai-responses", "anthropic"]


class ProviderSettings(Section):
    protocol: Protocol | None = Field(default=None, description="what it speaks; openai-chat unless it is a known one")
    base_url: str | None = Field(default=None, description="where it is, as https://models.example.org/v1")
    key: str | None = Field(default=None, description="its key, as secret://name, of which the value is a variable")
    at_once: int = Field(default=8, ge=1, le=10_000, description="calls that a process has open")
    requests_per_minute: int | None = Field(default=None, ge=1, description="calls that a process makes")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="tokens that a process asks for and gets")

    @field_validator("key")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        # Never with the value: it would be a key that somebody pasted.
        if value is not None and not REFERENCE.fullmatch(value):
            raise ValueError("it must be a reference, as secret://house, whose value is in RESPROUT_SECRET_HOUSE")
        return value

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://x")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("it must be an address, as https://models.example.org/v1, without a user or password")
        return value


class LocalModelSettings(Section):
    url: str | None = Field(
        default=None, description="http://host:port of the model server that is asked; the stack's own if unset"
    )
    weights: Path | None = Field(default=None, description="GGUF file of another model; the bundled one if unset")
    window: int = Field(default=8_192, ge=256, le=1 << 20, description="tokens that a conversation may have")
    slots: int = Field(
        default=2, ge=1, le=64, description="calls that are answered at once; each takes a window's memory"
    )
    threads: int = Field(
        default=2, ge=1, le=256, description="that read a prompt, at most as many as processors; half of them write"
    )
    idle_seconds: int = Field(default=600, ge=1, description="unused for so long it leaves memory until the next call")
    port: int | None = Port

    @field_validator("weights")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the services of a stack run elsewhere

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/@\s]+/?", value):
            raise ValueError("it must be http://host:port, without a path or a user")
        return value and value.rstrip("/")


class ModelsSettings(Section):
    default: Listed = Field(
        default=("local",), min_length=1, description="the model of who names none, and those to fall back on"
    )
    attempts: int = Field(default=4, ge=1, le=20, description="how often a model is asked that cannot answer")
    give_up_seconds: float = Field(default=600, gt=0, le=86_400, description="how long one is waited for in all")
    cassette: Path | None = Field(default=None, description="file with recorded calls, for tests")
    cassette_mode: Literal["replay", "record"] = Field(
        default="replay", description="record: what is not on the cassette is asked, and added"
    )
    prices: Path | None = Field(
        default=None,
        description="file with prices of your own (TOML), before those that ship, as docs/budgets.md tells",
    )
    recorded_days: int = Field(default=400, ge=1, le=3650, description="how long a call of a model is on record")
    local: LocalModelSettings = LocalModelSettings()
    providers: dict[str, ProviderSettings] = {}  # noqa: RUF012 - a field

    @property
    def give_up(self) -> timedelta:
        return timedelta(seconds=self.give_up_seconds)

    @field_validator("cassette", "prices")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None  # the hosts that use it run elsewhere

    @field_validator("providers")
    @classmethod
    def _have_names(cls, value: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        for name in value:
            if not GIVEN_NAME.fullmatch(name):
                raise ValueError(f"a provider's name has small letters, digits and `-`, which {name!r} has not only")
        return value
