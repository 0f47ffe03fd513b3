"""Ed25519 keys: who signs an index of plugins, and whom we trust."""

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ...actors.errors import NotFound, Rejected
from ..settings import Settings

PREFIX = "ed25519:"
TRUSTED = "plugin-keys"  # a directory beside the data, of files *.pub


class BadKey(Rejected):
    """What was given is no key."""


def generate(path: Path) -> str:
    """Writes the private key, and gives the public one."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError:
        raise Rejected(f"{path} is there already: a key is never overwritten. Choose another name.") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be written: {error.strerror}.") from None
    return public_text(key)


def private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise NotFound(f"the key {path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError):
        raise BadKey(f"{path} is no private key: make one with `resprout plugin keygen`.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} is no key of Ed25519: make one with `resprout plugin keygen`.")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    return PREFIX + base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def trusted(settings: Settings) -> list[str]:
    """As the settings say, and those that lie beside the data."""
    files = sorted((settings.data_dir / TRUSTED).glob("*.pub"))
    found = [*settings.plugins.keys, *(file.read_text().strip() for file in files)]
    for one in found:
        _public_key(one)
    return found


def signer_of(message: bytes, signature: str, keys: Sequence[str]) -> str | None:
    """The trusted key by which it was signed; None: by none of them."""
    try:
        signed = base64.b64decode(signature, validate=True)
    except binascii.Error:
        return None
    for one in keys:
        try:
            _public_key(one).verify(signed, message)
        except InvalidSignature:
            continue
        return one
    return None


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except ValueError:
        raise BadKey(
            f"{text[:60]!r} is no public key: write it as `resprout plugin keygen` says it, {PREFIX}…."
        ) from None
