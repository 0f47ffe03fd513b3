"""How a stack starts its model server: past the CLI, which takes 30 MB and half a second of a processor to import."""

import asyncio
import os
import sys

from .process import run
from .serving import Serving

asyncio.run(run(Serving.from_text(sys.argv[1])))
# Not sys.exit: the engine's threads may be in the middle of a token, and would be waited for.
os._exit(0)
