"""What an approval is for: these arguments to this version of this tool, and nothing else."""

import hashlib
import json
from typing import Any


def digest_of(tool: str, version: str, arguments: dict[str, Any]) -> str:
    said = json.dumps([tool, version, arguments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
