"""Who offers models, and where: what an adapter must know of it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Provider:
    name: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    remedy: str = "look at its key"  # when the key is refused

    @property
    def is_openai(self) -> bool:
        """Whether it takes what only OpenAI's own API takes. Others refuse fields that they do not know."""
        return self.name == "openai" or f".{self.host}".endswith(".openai.com")

    @property
    def host(self) -> str:
        """For sentences: without the user and password that an address may have."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


def own_name(model: str) -> str:
    """As the provider calls it: `openai/gpt-5` is its gpt-5."""
    return model.partition("/")[2] or model
