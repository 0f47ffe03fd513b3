"""The letters, their key, what checks the readers, and what checks the result: without a stack."""

import json
from typing import Any

import pytest

from examples.demo import proof, reckon

LETTERS = {letter["supplier"]: letter for letter in proof.letters()}
RIGHT: dict[str, Any] = {
    "supplier": "estuary",
    "total": 44_300.0,
    "ranking": [
        [o.supplier, o.total, o.price, o.shipping, o.delivery, o.warranty, o.minimum, "" if o.fits else "no"]
        for o in proof.key()
    ],
    "noted": [6, 6],
    "report": "Estuary: EUR 44,300.00",
}


@pytest.mark.parametrize("offer", proof.key(), ids=lambda offer: offer.supplier)
def test_the_letters_say_what_their_key_says(offer: proof.Offer) -> None:
    figures, _ = reckon.checked(LETTERS[offer.supplier], {})

    assert offer == proof.Offer(offer.supplier, **figures)


def test_the_best_offer_has_neither_the_lowest_price_nor_the_lowest_total() -> None:
    best, *others = proof.key()

    assert min(others, key=lambda offer: offer.price).price < best.price
    assert min(others, key=lambda offer: offer.total).total < best.total


def test_a_wrong_reading_is_mended_and_told() -> None:
    said = {"price": 18.05, "shipping": 20, "delivery": 20, "warranty": 30, "minimum": 800}

    figures, wrong = reckon.checked(LETTERS["estuary"], said)

    assert figures["shipping"] == 980
    assert wrong == [{"supplier": "estuary", "what": "shipping", "said": 20, "letter": 980.0}]


@pytest.mark.parametrize("letter", ["No figures here.", "Shipping is EUR 4. For shipping we ask EUR 5."])
def test_a_letter_that_does_not_say_a_thing_clearly_is_no_offer(letter: str) -> None:
    with pytest.raises(SystemExit, match="does not say its shipping once and clearly"):
        reckon.in_letter(letter, "shipping")


def test_a_right_result_has_no_mistakes() -> None:
    assert list(proof.mistakes(RIGHT)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"supplier": "alder"},
        {"total": 44_800.0},
        {"ranking": RIGHT["ranking"][1:]},
        {"ranking": [RIGHT["ranking"][1], RIGHT["ranking"][0], *RIGHT["ranking"][2:]]},
        {"noted": [7, 6]},
        {"report": None},
    ],
)
def test_a_wrong_result_is_told(change: dict[str, Any]) -> None:
    assert list(proof.mistakes({**RIGHT, **change}))


def test_what_the_model_said_right_is_counted_from_what_was_checked() -> None:
    checked = json.dumps({"asked": 30, "mistakes": [{}, {}]})

    assert proof.words_of_the_model({"checked": checked, "draft": "We buy 1.", "report": "We buy 2."}) == (28, 31)
