"""`resprout model-server`: the bundled model of this node, shared by all of its processes.

Nothing here imports our settings or loggers before the weights are loaded: until a model is asked for the first time,
this process is to cost next to nothing (docs/models-local.md says what).
"""

from .serving import Serving

__all__ = ["Serving"]
