"""Tools for digests and encodings."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.builtin import hashes
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


async def test_a_text_and_a_file_have_the_same_digest(hands: Hands) -> None:
    hands.put("abc.txt", "abc")

    for said in (await hands.use(hashes.digest, text="abc"), await hands.use(hashes.file, path="abc.txt")):
        assert said == {"hex": ABC, "algorithm": "sha256", "size": 3}


async def test_a_signature_is_the_one_of_the_standard_and_needs_the_secret(hands: Hands) -> None:
    signed = await hands.use(hashes.hmac, text="what do ya want for nothing?", secret="Jefe")

    assert signed["hex"] == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hands.needs(hashes.hmac, text="x", secret="secret://webhook") == ["secrets.use:webhook"]


async def test_new_uuids_are_the_same_for_the_same_call_only(hands: Hands) -> None:
    first = await hands.use_by("one", hashes.uuid, count=3)
    other = await hands.use_by("two", hashes.uuid, count=3)

    assert first == await hands.use_by("one", hashes.uuid, count=3)
    assert len({*first["uuids"], *other["uuids"]}) == 6
    assert {UUID(one).version for one in first["uuids"]} == {4}
    named = await hands.use(hashes.uuid, name="https://example.org")
    assert named == await hands.use(hashes.uuid, name="https://example.org")


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("base64", "w7w/Pg=="),
        ("base64url", "w7w_Pg"),
        ("base32", "YO6D6PQ="),
        ("hex", "c3bc3f3e"),
        ("url", "%C3%BC%3F%3E"),
    ],
)
async def test_a_text_is_encoded_and_decoded(hands: Hands, encoding: str, written: str) -> None:
    assert (await hands.use(hashes.encode, text="ü?>", to=encoding))["text"] == written
    assert (await hands.use(hashes.decode, text=written, source=encoding))["text"] == "ü?>"


@given(st.text(max_size=50), st.sampled_from(["base64", "base64url", "base32", "hex", "url"]))
async def test_what_was_encoded_comes_back(text: str, encoding: str) -> None:
    call: Any = None
    encoded = await hashes.encode.run(call, hashes.encode.parse({"text": text, "to": encoding}))

    decoded = await hashes.decode.run(call, hashes.decode.parse({"text": encoded["text"], "source": encoding}))

    assert decoded["text"] == text


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (hashes.digest, {"text": "", "algorithm": "crc"}, "`algorithm`"),
        (hashes.file, {"path": "gone"}, "`gone` does not exist"),
        (hashes.hmac, {"text": "", "secret": "secret://lost"}, "the secret 'lost' is not there"),
        (hashes.uuid, {"name": "a", "count": 2}, "a name has one UUID"),
        (hashes.encode, {"text": "", "to": "rot13"}, "`to`"),
        (hashes.decode, {"text": "=", "source": "base64"}, "`text` is not base64"),
        (hashes.decode, {"text": "abc", "source": "hex"}, "`text` is not hex"),
        (hashes.decode, {"text": "/w==", "source": "base64"}, "is no text in UTF-8"),
    ],
)
async def test_what_cannot_be_made_or_read_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)
