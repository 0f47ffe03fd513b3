"""Which addresses a listed name may turn out to have: pure, no I/O.

Whoever owns a listed name chooses its addresses. So only addresses of the public internet are dialled; an operator may
exempt a host from that, but no exemption leads to a metadata service, to a neighbour by link, or to an IPv4 address in
IPv6 dress (those are not looked into: a gateway on the way might read them differently than we do).
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address

_METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192")
_METADATA_6 = ("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254")


@dataclass(frozen=True)
class Special:
    """Why an address is none of the public internet."""

    words: str
    can_be_exempt: bool


LOCAL = Special("of this machine", can_be_exempt=True)
RESERVED = Special("reserved", can_be_exempt=True)
_PRIVATE = Special("private", can_be_exempt=True)
_LOOPBACK = Special("of loopback", can_be_exempt=True)
_SHARED = Special("of carrier-grade NAT", can_be_exempt=True)
_METADATA_SERVICE = Special("of a metadata service", can_be_exempt=False)
_LINK = Special("link-local", can_be_exempt=False)
_NOBODY = Special("unspecified", can_be_exempt=False)
_MANY = Special("multicast or broadcast", can_be_exempt=False)
_DRESSED = Special("an IPv4 address written as IPv6", can_be_exempt=False)

# The first network that has the address tells what it is.
SPECIAL: tuple[tuple[IPv4Network | IPv6Network, Special], ...] = tuple(
    (ip_network(network), special)
    for special, networks in (
        (_METADATA_SERVICE, (*_METADATA, *_METADATA_6)),
        (_NOBODY, ("0.0.0.0/8", "::/128")),
        (_LOOPBACK, ("127.0.0.0/8", "::1/128")),
        (_LINK, ("169.254.0.0/16", "fe80::/10", "fec0::/10")),
        (_MANY, ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8")),
        (_PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
        (_SHARED, ("100.64.0.0/10",)),
        # compatible, mapped, translated, NAT64, 6to4 and its relays, Teredo
        (_DRESSED, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")),
        (_DRESSED, ("2002::/16", "192.88.99.0/24", "2001::/32")),
        (RESERVED, ("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24")),
        (RESERVED, ("240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20")),
    )
    for network in networks
)
# All that is given out of IPv6; the rest is nobody's.
GIVEN_OUT = IPv6Network("2000::/3")
ISATAP = (0x00005EFE, 0x02005EFE)


def special(address: Address, local: Collection[Address] = ()) -> Special | None:
    """None for an address of the public internet. `local` are this machine's own."""
    for network, what in SPECIAL:
        if address.version == network.version and address in network:
            return what
    if isinstance(address, IPv6Address):
        if (int(address) >> 32) & 0xFFFFFFFF in ISATAP:
            return _DRESSED
        if address not in GIVEN_OUT:
            return RESERVED
    return LOCAL if address in local else None
