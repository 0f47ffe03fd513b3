"""Whether the run's result is right: by what the letters say, as somebody wrote it down who read them (`key.csv`).

The run is given the letters and never this key.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENTS = Path(__file__).parent / "documents"
NEED = {"filters": 2400, "within_days": 21, "warranty_months": 24}
CENT = 0.005


@dataclass(frozen=True)
class Offer:
    supplier: str
    price: float
    shipping: float
    delivery: float
    warranty: float
    minimum: float

    @property
    def total(self) -> float:
        return NEED["filters"] * self.price + self.shipping

    @property
    def fits(self) -> bool:
        in_time = self.delivery <= NEED["within_days"]
        return in_time and self.warranty >= NEED["warranty_months"] and self.minimum <= NEED["filters"]


def key() -> list[Offer]:
    """The best first; those that do not fit behind all others."""
    with (DOCUMENTS / "key.csv").open() as file:
        offers = [
            Offer(row.pop("supplier"), **{what: float(value) for what, value in row.items()})
            for row in csv.DictReader(file)
        ]
    return sorted(offers, key=lambda offer: (not offer.fits, offer.total))


def letters() -> list[dict[str, str]]:
    return [{"supplier": path.stem, "text": path.read_text()} for path in sorted(DOCUMENTS.glob("*.md"))]


def mistakes(output: dict[str, Any]) -> Iterator[str]:
    """Of the run's result, a sentence each."""
    offers = key()
    best = offers[0]
    if output["supplier"] != best.supplier:
        yield f"it says to buy from {output['supplier']}, and {best.supplier} is best"
    if abs(output["total"] - best.total) > CENT:
        yield f"it says that this costs {output['total']}, and it is {best.total:.2f}"
    if len(output["ranking"]) != len(offers):
        yield f"it ranks {len(output['ranking'])} offers of {len(offers)}"
    for offer, row in zip(offers, output["ranking"], strict=False):
        said = [offer.total, offer.price, offer.shipping, offer.delivery, offer.warranty, offer.minimum]
        if row[0] != offer.supplier or any(abs(a - b) > CENT for a, b in zip(row[1:7], said, strict=True)):
            yield f"it ranks {row}, where {offer} belongs"
        if bool(row[7]) is offer.fits:
            yield f"of {offer.supplier} it says {row[7]!r}"
    if output["noted"] != [len(offers), len(offers)]:
        yield f"the readings and the letters that were read are {output['noted']}, not {len(offers)} each"
    if f"EUR {best.total:,.2f}" not in (output["report"] or ""):
        yield "the report does not say what the best offer costs"


def words_of_the_model(output: dict[str, Any]) -> tuple[int, int]:
    """How many of its answers were right, and of how many. The others were mended before they counted."""
    checked = json.loads(output["checked"])
    right = checked["asked"] - len(checked["mistakes"]) + (output["draft"] in output["report"])
    return right, checked["asked"] + 1
