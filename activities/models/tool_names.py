"""Names of tools as providers take them: 64 letters, digits, `_` and `-`. Ours have dots, versions and 200 characters.

The invariant: how a name is spelled depends on nothing but the name. Were it to depend on the other tools of the
request, a conversation would name one tool in two ways, and no cache would know its beginning again.

`text.count` is `text__count`. A name for which that cannot be read back, or that is too long, ends with a digest of
itself; none of the others ends like that, so no two names are spelled alike.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

LONGEST = 64
DIGITS = 12  # of the digest

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_ENDS_WITH_DIGEST = re.compile(rf"-[0-9a-f]{{{DIGITS}}}$")


def spelled(name: str) -> str:
    plain = name.replace(".", "__")
    if _FITS.fullmatch(plain) and plain.replace("__", ".") == name and not _ENDS_WITH_DIGEST.search(plain):
        return plain
    digest = sha256(name.encode()).hexdigest()[:DIGITS]
    return f"{_FOREIGN.sub('_', plain)[: LONGEST - DIGITS - 1]}-{digest}"


class Spelling:
    """Reads names back that were offered; what a model made up stays recognizable, and is nobody's name."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {spelled(name): name for name in names}

    def read(self, written: str) -> str:
        return self._names.get(written) or written.replace("__", ".")
