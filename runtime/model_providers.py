"""The providers of these settings: those that are known unwritten, and what is written of them and of others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ..activities.models.limits import Limits
from ..activities.models.provider import Provider
from ..activities.secrets import REFERENCE, KnowsSecrets
from ..actors.errors import ConfigError, NotRunning, Rejected
from ..actors.models import BadKey, UnknownModel
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
            wanted = f"set `models.providers.{self.name}.key` to secret://{self.name}"
            variable = f"{variable_of(self.name)} to the key where hosts run"
            return Provider(self.name, self.base_url, None, f"{wanted}, and {variable}")
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


def check_default(settings: ModelsSettings) -> None:
    """Raises ConfigError: by itself it would be found when the first agent thinks."""
    for name in settings.default:
        try:
            provider_in(name, providers_of(settings))
        except UnknownModel as error:
            raise ConfigError(f"`models.default` cannot be asked: {error}") from None


def provider_in(name: str, there: Collection[str]) -> str:
    """Whose model it is, of those that there are; raises UnknownModel for what names none of theirs."""
    provider, slash, model = name.partition("/")
    if provider not in there:
        raise UnknownModel(_unknown(name, provider if slash else None, sorted(there)))
    if (slash and not model) or (not slash and provider != LOCAL):
        raise UnknownModel(f"{name!r} names no model of {provider}: write it as {provider}/name.")
    return provider


def _unknown(name: str, provider: str | None, there: Sequence[str]) -> str:
    near = get_close_matches(provider or name, there, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    if provider is None:
        return f"{name!r} names no provider: write it as provider/name, with one of {', '.join(there)}.{hint}"
    return f"there is no provider {provider!r}: there are {', '.join(there)}.{hint}"


def _offered(name: str, written: ProviderSettings) -> Offered:
    known = KNOWN.get(name, OTHERS)
    return Offered(
        name, written.protocol or known.protocol, written.base_url or known.base_url, written.key or known.key, written
    )
