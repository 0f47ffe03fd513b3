"""What comes out of a run while it lasts, as who watches may see it: without the values of its secrets."""

from ..secrets import StreamVeil, Veil
from .backend import Ending, StreamName, Watch


class Output:
    def __init__(self, veil: Veil, watch: Watch) -> None:
        self._watch = watch
        self._veils: dict[StreamName, StreamVeil] = {"stdout": StreamVeil(veil), "stderr": StreamVeil(veil)}

    def watch(self, stream: StreamName, chunk: bytes) -> None:
        self._tell(stream, self._veils[stream].pass_on(chunk))

    def end(self, ending: Ending) -> None:
        """What was held back was no secret after all, unless it is the beginning of one that was cut."""
        self._tell("stdout", self._veils["stdout"].end(is_cut=ending.is_cut(ending.stdout)))
        self._tell("stderr", self._veils["stderr"].end(is_cut=ending.is_cut(ending.stderr)))

    def _tell(self, stream: StreamName, shown: bytes) -> None:
        if shown:
            self._watch(stream, shown)
