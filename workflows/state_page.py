"""What a run says of itself, a page at a time: whoever watches looks often, and no look shall leave a large payload."""

import hashlib
import json
from typing import Any

PAGE = 40_000  # characters; with the quotes escaped it is less than what is kept aside


def page_of(state: dict[str, Any], start: int) -> dict[str, Any]:
    """A part of the state as JSON. `of` tells whether the next page is still of the same state."""
    text = json.dumps(state)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"of": digest, "length": len(text), "text": text[start : start + PAGE]}
