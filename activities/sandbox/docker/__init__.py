from .backend import DockerBackend as DockerBackend
from .engine import Engine as Engine
