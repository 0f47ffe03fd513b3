"""Runs in a sandbox: holds what the readers say against the letters, and reckons what each offer costs.

A small model is often right and never certain. So its word counts only where the letter says the same in a sentence
that is about the same thing; else the figure of that sentence is taken, and the mistake is told. A letter that says a
thing nowhere, or twice and differently, is no offer to buy by: then this program fails, and the run with it.
"""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

AMOUNT = r"(\d[\d,]*(?:\.\d+)?)"
# Which sentences are about it, and where in them the figure stands.
SAID = {
    "price": (r"\beach filter", rf"EUR {AMOUNT}"),
    "shipping": (r"\bshipping\b", rf"EUR {AMOUNT}"),
    "delivery": (r"\bdeliver|\barrive", rf"{AMOUNT} days"),
    "warranty": (r"\bwarranty\b", rf"{AMOUNT} months"),
    "minimum": (r"\bsmallest order\b", rf"{AMOUNT} filters"),
}


def in_letter(letter: str, what: str) -> float:
    about, figure = SAID[what]
    sentences = re.split(r"(?<=[.;!?])\s+", letter)
    about_it = [sentence for sentence in sentences if re.search(about, sentence, re.IGNORECASE)]
    found = {float(text.replace(",", "")) for sentence in about_it for text in re.findall(figure, sentence)}
    if len(found) != 1:
        sys.exit(
            f"the letter does not say its {what} once and clearly: {sorted(found) or 'nothing'}. Ask the supplier."
        )
    return found.pop()


def checked(offer: dict[str, str], said: dict[str, Any]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The figures, and the mistakes of the reader."""
    figures = {what: in_letter(offer["text"], what) for what in SAID}
    wrong = [
        {"supplier": offer["supplier"], "what": what, "said": said.get(what), "letter": figure}
        for what, figure in figures.items()
        if said.get(what) != figure
    ]
    return figures, wrong


def main() -> None:
    offers = json.loads(Path("offers.json").read_text())
    said = {line["supplier"]: line["said"] for line in map(json.loads, Path("said.jsonl").read_text().splitlines())}
    filters = json.loads(Path("need.json").read_text())["filters"]
    mistakes = []
    with Path("figures.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["supplier", *SAID, "total"])
        for offer in offers:
            figures, wrong = checked(offer, said[offer["supplier"]])
            mistakes += wrong
            total = filters * figures["price"] + figures["shipping"]
            rows.writerow([offer["supplier"], *(f"{figure:.2f}" for figure in figures.values()), f"{total:.2f}"])
    asked = len(offers) * len(SAID)
    Path("checked.json").write_text(json.dumps({"asked": asked, "mistakes": mistakes}))
    print(f"{asked - len(mistakes)} of {asked} figures were read right, {len(mistakes)} were mended by the letters")


if __name__ == "__main__":
    main()
