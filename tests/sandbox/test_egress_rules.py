"""Which hosts may be reached, and which addresses they may have."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.sandbox.egress.addresses import LOCAL, special
from resprout.activities.sandbox.egress.rules import Pattern, Refused, Rules, is_address, name_of, shown
from resprout.actors.errors import BadArgument

LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
PORT = st.integers(1, 65_535)


def allows(net: list[str], host: str, port: int) -> bool:
    try:
        Rules.of(net).check(name_of(host), port)
    except Refused:
        return False
    return True


@given(NAME, PORT)
def test_a_listed_host_is_reached_in_every_case_with_and_without_a_dot_at_its_end(name: str, port: int) -> None:
    assert allows([f"{name}:{port}"], name.upper(), port)
    assert allows([f"{name.upper()}:{port}"], f"{name}.", port)


@given(NAME, NAME, PORT)
def test_a_name_reaches_nothing_that_begins_or_ends_like_it(name: str, other: str, port: int) -> None:
    for near in (f"{other}.{name}", f"{name}.{other}", f"x{name}", f"{name}x", f"{other}-{name}"):
        assert not allows([f"{name}:{port}"], near, port)


@given(NAME, LABEL, PORT)
def test_a_star_is_any_name_beneath_and_not_the_name_itself(name: str, label: str, port: int) -> None:
    assert allows([f"*.{name}:{port}"], f"{label}.{name}", port)
    assert allows([f"*.{name}:{port}"], f"deep.{label}.{name}", port)
    assert not allows([f"*.{name}:{port}"], name, port)
    assert not allows([f"*.{name}:{port}"], f"{label}{name}", port)


@given(NAME, PORT, PORT)
def test_only_the_listed_port_is_reached(name: str, port: int, other: int) -> None:
    assert allows([f"{name}:{port}"], name, other) is (port == other)


@given(st.text(max_size=300))
def test_any_text_is_a_name_in_its_one_spelling_or_refused_in_words_fit_for_a_header(text: str) -> None:
    said = ""
    try:
        name = name_of(text)
        assert name_of(name) == name
    except Refused as refused:
        said = str(refused)
    assert said == "" or (said.isprintable() and said.isascii())


SPELLINGS = "127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.0x1 1.2.3.4.5 0x 127.0.0.1."


@pytest.mark.parametrize("text", SPELLINGS.split())
def test_an_address_is_never_taken_for_a_name(text: str) -> None:
    assert is_address(name_of(text))
    assert not allows(["example.org:80", "*.org:80"], text, 80)


def test_an_address_is_reached_only_where_that_very_address_is_listed() -> None:
    assert allows(["192.0.2.7:80"], "192.0.2.7", 80)
    assert not allows(["192.0.2.7:80"], "192.0.2.007", 80)
    assert not allows(["192.0.2.7:80"], "3221225991", 80)


@pytest.mark.parametrize(
    "text", ["*.0.0.1:80", "0x7f000001:80", "127.1:80", "nothing", "a.org:0", "a.org:70000", "*:1"]
)
def test_a_pattern_that_is_no_host_and_port_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(BadArgument, match=r"write it as in"):
        Pattern.of(text)


def test_a_refusal_says_what_was_refused_what_is_allowed_and_where_to_change_it() -> None:
    with pytest.raises(Refused) as caught:
        Rules.of(["a.org:443", "*.b.org:80"]).check("evil.org", 443)

    assert str(caught.value) == (
        "`evil.org:443` is not listed: this sandbox may reach a.org:443, *.b.org:80; "
        "add it to `net` where the sandbox is described, if it shall be reached."
    )


def test_what_is_shown_of_the_unknown_does_no_harm_to_a_terminal_or_a_header() -> None:
    assert shown("a\r\nb\x1b[0m`é" + "x" * 200) == "a??b?[0m??" + "x" * 50


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_special(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert special(address) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_dress_is_special_and_never_exempt(inner: IPv4Address) -> None:
    number = int(inner)
    for dressed in (
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
        IPv6Address((0x20010DB9 << 96) | (0x5EFE << 32) | number),
    ):
        found = special(dressed)
        assert found is not None
        assert not found.can_be_exempt


NEVER = (
    "169.254.169.254 fd00:ec2::254 100.100.100.200 168.63.129.16 192.0.0.192 169.254.1.1 fe80::1 0.0.0.0 :: 224.0.0.1"
)


@pytest.mark.parametrize("address", [*NEVER.split(), "ff02::1", "255.255.255.255", "::ffff:8.8.8.8", "::127.0.0.1"])
def test_no_exemption_leads_to_metadata_neighbours_or_everybody(address: str) -> None:
    found = special(ip_address(address))

    assert found is not None
    assert not found.can_be_exempt


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "127.0.0.1", "::1", "fc00::1", "100.64.0.1", "203.0.113.80", "172.31.0.1"]
)
def test_private_addresses_can_be_exempt(address: str) -> None:
    found = special(ip_address(address))

    assert found is not None
    assert found.can_be_exempt


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.0.223", "2a04:4e42::223", "2606:4700::6810:85e5"])
def test_the_public_internet_is_nothing_special(address: str) -> None:
    assert special(ip_address(address)) is None


def test_a_public_address_of_this_machine_is_special_here() -> None:
    assert special(ip_address("8.8.8.8"), {ip_address("8.8.8.8")}) == LOCAL
