"""Tools for digests and encodings."""

import base64
import binascii
import hashlib
import hmac as authentication
import uuid as uuids
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote_to_bytes

from pydantic import Field

from ..manifest import Permission
from ..place import FilePath, place, reads_path
from ..tool import BadArguments, ToolCall, ToolError, tool
from ..workspace import Workspace
from .text import OneText

MOST_TEXT = 4 << 20
MOST_FILE = 4 << 30
SECRET = "secret://"

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Algorithm = Annotated[
    Literal["sha256", "sha512", "sha3_256", "blake2b", "sha1", "md5"],
    Field(description="md5 and sha1 are for old checksums, not for safety."),
]
Encoding = Literal["base64", "base64url", "base32", "hex", "url"]


@dataclass
class Digest:
    hex: str
    algorithm: str
    size: int


@dataclass
class Uuids:
    uuids: list[str]


def _secrets(arguments: Any) -> tuple[Permission, ...]:
    """By its reference: that is how it stands in the arguments until the very call."""
    secret = arguments.secret
    if not secret.startswith(SECRET):
        return ()
    return (Permission(action="secrets.use", on=secret.removeprefix(SECRET)),)


@tool("hash.digest", version="1.0.0", contract="safe-to-retry")
def digest(text: Text, algorithm: Algorithm = "sha256") -> Digest:
    """Gives the digest of a text, in UTF-8."""
    data = text.encode()
    return Digest(hashlib.new(algorithm, data, usedforsecurity=False).hexdigest(), algorithm, len(data))


@tool(
    "hash.hmac", version="1.0.0", contract="safe-to-retry", danger="low", permissions=("secrets.use",), needs=_secrets
)
def hmac(
    text: Text,
    secret: Annotated[str, Field(min_length=1, max_length=10_000, description="The key, as in `secret://webhook`.")],
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256",
) -> Digest:
    """Signs a text with a secret (HMAC), or checks such a signature by making it again."""
    if secret.startswith(SECRET):
        raise ToolError(f"the secret {secret.removeprefix(SECRET)!r} is not there: give it to the worker.")
    data = text.encode()
    return Digest(authentication.new(secret.encode(), data, algorithm).hexdigest(), algorithm, len(data))


@tool(
    "hash.file",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
)
def file(call: ToolCall, path: FilePath, algorithm: Algorithm = "sha256") -> Digest:
    """Gives the digest of a file: its checksum."""
    made, size = hashlib.new(algorithm, usedforsecurity=False), 0
    with Workspace(call.workspace).reading(place(path)) as opened:
        while piece := opened.read(1 << 20):
            made.update(piece)
            size += len(piece)
            if size > MOST_FILE:
                raise ToolError(f"`{path}` is larger than {MOST_FILE:,} bytes: make its checksum in the sandbox.")
    return Digest(made.hexdigest(), algorithm, size)


@tool("hash.uuid", version="1.0.0", contract="keyed")
def uuid(
    call: ToolCall,
    name: Annotated[
        str | None, Field(max_length=10_000, description="Make it of a name: the same for the same.")
    ] = None,
    count: Annotated[int, Field(ge=1, le=1_000)] = 1,
) -> Uuids:
    """Makes UUIDs: new ones (the same call, tried again, makes the same), or the one of a name (version 5)."""
    if name is not None:
        if count > 1:
            raise BadArguments("a name has one UUID: leave `count` or `name` out.")
        return Uuids([str(uuids.uuid5(uuids.NAMESPACE_URL, name))])
    seeds = (hashlib.sha256(f"{number}/{call.key}".encode()).digest()[:16] for number in range(count))
    return Uuids([str(uuids.UUID(bytes=seed, version=4)) for seed in seeds])


@tool("encoding.encode", version="1.0.0", contract="safe-to-retry")
def encode(text: Text, to: Encoding = "base64") -> OneText:
    """Encodes a text (in UTF-8) as base64, base64url, base32, hex, or for a URL."""
    data = text.encode()
    match to:
        case "base64":
            return OneText(base64.b64encode(data).decode())
        case "base64url":
            return OneText(base64.urlsafe_b64encode(data).decode().rstrip("="))
        case "base32":
            return OneText(base64.b32encode(data).decode())
        case "hex":
            return OneText(data.hex())
        case "url":
            return OneText(quote(text, safe=""))


@tool("encoding.decode", version="1.0.0", contract="safe-to-retry")
def decode(text: Text, source: Encoding = "base64") -> OneText:
    """Decodes base64, base64url, base32, hex, or what is escaped for a URL, into a text."""
    try:
        return OneText(_decoded("".join(text.split()) if source != "url" else text, source).decode())
    except UnicodeDecodeError:
        raise ToolError(
            f"what `text` encodes is no text in UTF-8: it cannot be shown. Is it really {source}?"
        ) from None
    except (binascii.Error, ValueError) as error:
        raise BadArguments(f"`text` is not {source}: {error}. Say in `source` what it is.") from None


def _decoded(text: str, source: Encoding) -> bytes:
    match source:
        case "base64":
            return base64.b64decode(text, validate=True)
        case "base64url":
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        case "base32":
            return base64.b32decode(text, casefold=True)
        case "hex":
            return bytes.fromhex(text)
        case "url":
            return unquote_to_bytes(text)


TOOLS = (digest, hmac, file, uuid, encode, decode)
