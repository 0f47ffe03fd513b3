"""Which hosts a sandbox may reach: pure, no I/O.

A name is compared only in its one spelling: lower case, no dot at its end, ASCII (an international name in its xn--
form). What a parser of addresses somewhere might take for an address is an address and never a name: it is reached
only where that very address is listed, in its plain spelling.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from ....actors.errors import BadArgument, Rejected
from ..spec import LONGEST_HOST, is_host
from .addresses import special

SHOWN = 60
MOST_SHOWN = 12
REMEDY = "add it to `net` where the sandbox is described, if it shall be reached"

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Refused(Rejected, of_one_text=False):
    """A connection is not made, or not carried on; the text is told to the code in the sandbox."""

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


def shown(text: str) -> str:
    """What came out of the sandbox, fit for a header, a log and a terminal."""
    return "".join(letter if " " <= letter <= "~" and letter != "`" else "?" for letter in text[:SHOWN])


def name_of(text: str) -> str:
    """The one spelling of a name or address that was asked for."""
    if not text.isascii():
        raise Refused(f"`{shown(text)}` is no host name in ASCII: write it in its xn-- form.", 400)
    name = text.lower().removesuffix(".")
    if len(name) > LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise Refused(f"`{shown(text)}` is not a host name: write it as in example.org.", 400)
    return name


def is_address(name: str) -> bool:
    """Whether any parser takes it for an IPv4 address: decimal, octal, hexadecimal, in one to four parts."""
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


@dataclass(frozen=True)
class Pattern:
    """`name:port`; `*.name:port` is any name beneath, and not the name itself."""

    name: str
    port: int
    is_beneath: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        if not is_host(text):
            raise BadArgument(f"`{shown(text)}` is not a host and port: write it as in example.org:443.")
        host, _, port = text.lower().rpartition(":")
        name = host.removeprefix("*.")
        if is_address(name) and (name != host or not _is_plain(name)):
            raise BadArgument(f"`{shown(text)}` is no plain address: write it as in 192.0.2.1:443.")
        return cls(name, int(port), name != host)

    def covers(self, name: str, port: int) -> bool:
        if port != self.port:
            return False
        if self.is_beneath:
            return name.endswith(f".{self.name}") and not is_address(name)
        return name == self.name

    def __str__(self) -> str:
        return f"{'*.' * self.is_beneath}{self.name}:{self.port}"


def _is_plain(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Rules:
    patterns: tuple[Pattern, ...]
    # Hosts that may have a private address. Only an operator says so, never the description of a sandbox.
    exempt: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, net: Iterable[str], exempt: Iterable[str] = ()) -> Self:
        return cls(tuple(Pattern.of(text) for text in net), frozenset(name_of(host) for host in exempt))

    def check_addresses(self) -> None:
        """Raises when an address is listed that is never dialled: better before the run than in it."""
        for pattern in self.patterns:
            what = special(ipaddress.IPv4Address(pattern.name)) if is_address(pattern.name) else None
            if what is None or (what.can_be_exempt and pattern.name in self.exempt):
                continue
            remedy = (
                f"add {pattern.name} to the setting `sandbox.private_hosts`" if what.can_be_exempt else "leave it out"
            )
            raise BadArgument(f"net: `{pattern}` cannot be reached, its address is {what.words}: {remedy}.")

    def check(self, name: str, port: int) -> None:
        """Raises `Refused` unless `name`, in its one spelling, is listed with this port."""
        if any(pattern.covers(name, port) for pattern in self.patterns):
            return
        asked = f"`{shown(name)}:{port}`"
        if is_address(name):
            raise Refused(f"{asked} is an address and not listed: ask for a name; this sandbox may reach {self}.")
        raise Refused(f"{asked} is not listed: this sandbox may reach {self}; {REMEDY}.")

    def __str__(self) -> str:
        named = [str(pattern) for pattern in self.patterns[:MOST_SHOWN]]
        if len(self.patterns) > MOST_SHOWN:
            named.append(f"{len(self.patterns) - MOST_SHOWN} more")
        return ", ".join(named) or "no host at all"
