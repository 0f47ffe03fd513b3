"""Canaries: secrets that must come out of a tool in no form in which programs usually write them."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.secrets import StreamVeil, Veil
from resprout.activities.tools.manifest import Permission
from resprout.activities.tools.secrets import Secrets, references_in
from resprout.actors.errors import Rejected
from resprout.runtime.secrets import SecretsFromEnvironment

CANARY = "canary \"7f3a/+&\\é' of the mine"


class Kept:
    def __init__(self, **values: str) -> None:
        self.values = values

    def value(self, name: str) -> str:
        return self.values[name.replace("-", "_")]


def test_a_reference_is_put_in_where_it_stands_and_needs_its_permission() -> None:
    arguments = {"headers": {"Authorization": "Bearer secret://api-key"}, "also": ["secret://api-key", 7]}

    revealed = Secrets(Kept(api_key="hunter2!")).revealed(arguments)

    assert revealed.arguments == {"headers": {"Authorization": "Bearer hunter2!"}, "also": ["hunter2!", 7]}
    assert references_in(arguments) == (Permission(action="secrets.use", on="api-key"),)
    assert arguments["also"] == ["secret://api-key", 7]


@pytest.mark.parametrize(
    "written",
    [
        str,
        json.dumps,
        lambda text: json.dumps(json.dumps(text)),
        lambda text: json.dumps(text, ensure_ascii=False),
        repr,
        lambda text: repr(text.encode()),
        lambda text: repr(f"'\"{text}"),
        lambda text: json.dumps([repr([text.encode()])]),
        html.escape,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: urlencode({"key": text}),
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"ada:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"adam:{text}!".encode()).decode(),
        lambda text: base64.b64encode(f"x{text}xy".encode()).decode(),
    ],
)
def test_a_secret_comes_out_in_no_form(written: Callable[[str], str]) -> None:
    revealed = Secrets(Kept(mine=CANARY)).revealed({"key": "secret://mine"})

    said = revealed.hidden({"error": [f"cannot log in with {written(CANARY)}, sorry"]})["error"][0]

    assert "secret://mine" in said
    assert CANARY not in said
    assert written(CANARY)[2:-2] not in said


@given(st.text(min_size=4, max_size=40), st.binary(max_size=5), st.binary(max_size=5))
def test_base64_hides_no_secret_whatever_stands_around_it(secret: str, before: bytes, after: bytes) -> None:
    try:
        value = secret.encode()
    except UnicodeEncodeError:
        return
    revealed = Secrets(Kept(mine=secret)).revealed({"key": "secret://mine"})

    told = revealed.hidden(base64.b64encode(before + value + after).decode())

    assert len(value) < 9 or "secret://mine" in told


def test_the_lines_of_a_long_secret_are_hidden_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    revealed = Secrets(Kept(pem=key)).revealed({"key": "secret://pem"})

    assert "hkiG9w0BAQEFAASC" not in revealed.hidden("the line hkiG9w0BAQEFAASC is bad")
    assert "hkiG" not in repr(revealed)


def test_a_secret_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESPROUT_SECRET_API_KEY", raising=False)

    with pytest.raises(Rejected, match="RESPROUT_SECRET_API_KEY"):
        Secrets(SecretsFromEnvironment()).revealed({"key": "secret://api-key"})


def test_what_an_environment_has_that_is_no_text_is_hidden_too() -> None:
    veil = Veil({"odd": "caf\udce9-of-the-mine"})

    assert veil.hide_bytes(b"it is caf\xe9-of-the-mine") == b"it is secret://odd"


def test_base64_that_is_broken_into_lines_hides_no_secret() -> None:
    long = "".join(f"{number:03}-of-the-mine/" for number in range(20))

    told = Veil({"long": long}).hide(base64.encodebytes(long.encode()).decode())

    assert set(told.split()) == {"secret://long"}


@given(st.lists(st.sampled_from([b"ab", b"cab", b"abc", b"c", b"\n", b"x"]), max_size=12), st.data())
def test_a_stream_hides_the_same_whatever_pieces_it_comes_in(words: list[bytes], data: st.DataObject) -> None:
    veil = Veil({"one": "abcab", "other": "cabca"})
    whole = b"".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    stream = StreamVeil(veil)

    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    shown = b"".join(map(stream.pass_on, pieces)) + stream.end(is_cut=False)

    assert shown == veil.hide_bytes(whole)


def test_a_stream_holds_nothing_back_that_begins_no_secret() -> None:
    stream = StreamVeil(Veil({"mine": CANARY}))

    assert stream.pass_on(b"50 % of the work is done\r") == b"50 % of the work is done\r"
    assert stream.pass_on(b"can") == b""
    assert stream.pass_on(b"did") == b"candid"


def test_a_secret_that_is_cut_off_is_hidden_as_far_as_it_came() -> None:
    veil = Veil({"mine": CANARY})

    assert veil.hide_bytes(f"key: {CANARY[:10]}".encode(), is_cut=True) == b"key: secret://mine"
    assert veil.hide_bytes(f"key: {CANARY[:10]}".encode()) == f"key: {CANARY[:10]}".encode()
