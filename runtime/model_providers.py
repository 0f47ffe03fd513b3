"""The providers of these settings: those that are known unwritten, and what is written of them and of others."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..activities.models.limits import Limits
from ..activities.models.provider import Provider
from ..activities.secrets import REFERENCE, KnowsSecrets
from ..actors.errors import NotRunning, Rejected
from ..actors.models import BadKey
from .model_settings import ModelsSettings, Protocol, ProviderSettings
from .secrets import variable_of

LOCAL = "local"  # the bundled model: a server of the stack, which says where it is


@dataclass(frozen=True)
class Known:
    protocol: Protocol
    base_url: str | None
    key: str | None


KNOWN = {
    "openai": Known("openai-responses", "https://api.openai.com/v1", "secret://openai"),
    "anthropic": Known("anthropic", "https://api.anthropic.com", "secret://anthropic"),
    LOCAL: Known("openai-chat", None, None),
}
OTHERS = Known("openai-chat", None, None)


@dataclass(frozen=True)
class Offered:
    """A provider before its key is looked up."""

    name: str
    protocol: Protocol
    base_url: str | None
    key: str | None  # a reference
    settings: ProviderSettings

    @property
    def secret(self) -> str | None:
        found = REFERENCE.fullmatch(self.key or "")
        return found[1] if found else None

    def limits(self, models: ModelsSettings) -> Limits:
        mine = self.settings
        return Limits(mine.at_once, mine.requests_per_minute, mine.tokens_per_minute, models.give_up)

    def opened(self, secrets: KnowsSecrets) -> Provider:
        if self.base_url is None:
            raise NotRunning(f"it is not known where {self.name} is: set `models.providers.{self.name}.base_url`.")
        if self.secret is None:
            return Provider(self.name, self.base_url, None, f"set `models.providers.{self.name}.key`")
        remedy = f"set {variable_of(self.secret)} to a key of {self.name} where hosts run"
        try:
            key = secrets.value(self.secret)
        except Rejected:
            raise BadKey(f"{self.name} has no key: {remedy}.") from None
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            # The SDKs would say so, too, and show it.
            raise BadKey(f"the key of {self.name} is empty or has characters that no key has: {remedy}.")
        return Provider(self.name, self.base_url, key, remedy)


def providers_of(settings: ModelsSettings) -> Mapping[str, Offered]:
    names = dict.fromkeys([*KNOWN, *settings.providers])
    return {name: _offered(name, settings.providers.get(name, ProviderSettings())) for name in names}


def _offered(name: str, written: ProviderSettings) -> Offered:
    known = KNOWN.get(name, OTHERS)
    return Offered(
        name, written.protocol or known.protocol, written.base_url or known.base_url, written.key or known.key, written
    )
