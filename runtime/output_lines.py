"""What sandboxes write while they run, as lines: each once, however often it is looked at.

It was written by untrusted code: nothing in it may move the cursor or change what the terminal shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..activities.contracts import OutputTail, SandboxProgress
from .plain import plain
from .run_tree import Node

LAST_LINES = 5  # in the tree on a terminal
CUT = "…"

Line = tuple[str, str]  # the stream and what stands on it


@dataclass
class OutputLines:
    """Of one attempt at one task."""

    shown: dict[str, int] = field(default_factory=dict)  # characters, by stream
    begun: dict[str, str] = field(default_factory=dict)  # the line that has no end yet

    def fresh(self, progress: SandboxProgress) -> Iterator[Line]:
        for stream, tail in (("stdout", progress.stdout), ("stderr", progress.stderr)):
            *whole, rest = (self.begun.get(stream, "") + self._unseen(stream, tail)).split("\n")
            self.begun[stream] = rest
            yield from ((stream, plain(line)) for line in whole)

    def rest(self) -> Iterator[Line]:
        """When nothing more comes."""
        begun, self.begun = self.begun, {}
        yield from ((stream, plain(line)) for stream, line in begun.items() if line)

    def _unseen(self, stream: str, tail: OutputTail) -> str:
        missing = tail.end - self.shown.get(stream, 0)
        if missing <= 0:  # another worker came back to it, and is not as far as the one before
            return ""
        self.shown[stream] = tail.end
        lost = f"{CUT}\n" if missing > len(tail.text) else ""
        return lost + tail.text[-missing:]


def last_lines(node: Node) -> list[str]:
    """What is shown of a task that runs, where only the present is."""
    if node.output is None:
        return []
    both = [line for tail in (node.output.stdout, node.output.stderr) for line in tail.text.splitlines()[-LAST_LINES:]]
    return [plain(line) for line in both[-LAST_LINES:]]
