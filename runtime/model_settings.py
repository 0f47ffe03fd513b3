"""The settings of language models: `[models]`, and each provider as `[models.providers.NAME]`."""

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ..activities.secrets import REFERENCE
from .sections import Listed, Section
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
    providers: dict[str, ProviderSettings] = {}  # noqa: RUF012 - a field

    @property
    def give_up(self) -> timedelta:
        return timedelta(seconds=self.give_up_seconds)

    @field_validator("cassette")
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
