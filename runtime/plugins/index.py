"""The index of plugins: which wheels there are, each signed by itself.

The invariant: a signature covers name, version and hash together. So no entry can stand for another wheel, another
plugin or another version; that an entry is missing is all that somebody without the key can bring about.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...actors.errors import NotFound, Rejected
from .keys import signer_of


class NotSigned(Rejected):
    """Nobody whom we trust has signed it."""


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    wheel: str = Field(description="where it is: a path from the index, or a URL")
    signature: str = ""

    @property
    def message(self) -> bytes:
        said = ["resprout-plugin-1", canonicalize_name(self.name), self.version, self.sha256]
        return json.dumps(said).encode()

    def signed(self, key: Ed25519PrivateKey) -> "Entry":
        return self.model_copy(update={"signature": base64.b64encode(key.sign(self.message)).decode()})

    def signer(self, keys: Sequence[str]) -> str:
        """Raises NotSigned."""
        found = signer_of(self.message, self.signature, keys)
        if found is None:
            whom = "no key is trusted yet: set `plugins.keys`" if not keys else "ask who published it, or trust the key"
            raise NotSigned(f"{self.name} {self.version} is signed by nobody whom you trust ({whom}).")
        return found


class Index(BaseModel):
    model_config = ConfigDict(extra="forbid")

    plugins: list[Entry] = []

    def find(self, name: str, version: str | None = None) -> Entry | None:
        """The newest, unless a version is said."""
        wanted = canonicalize_name(name)
        found = [
            one for one in self.plugins if canonicalize_name(one.name) == wanted and version in (None, one.version)
        ]
        return max(found, key=lambda one: Version(one.version), default=None)

    def put(self, entry: Entry) -> "Index":
        same = (canonicalize_name(entry.name), entry.version)
        kept = [one for one in self.plugins if (canonicalize_name(one.name), one.version) != same]
        return Index(plugins=[*kept, entry])


def parse_index(text: str, where: str) -> Index:
    try:
        return Index.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "its top"
        raise Rejected(f"the index {where} cannot be read at {place}: {first['msg']}.") from None


def read_index(path: Path) -> Index:
    try:
        return parse_index(path.read_text(), str(path))
    except OSError as error:
        raise NotFound(f"the index {path} cannot be read: {error.strerror}.") from None
