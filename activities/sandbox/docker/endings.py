"""How a run ended, from what its container says. The job could write most of that itself: it lies about itself only."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

from ..backend import Captured, Ending, Job
from ..result import Ended
from .attachment import Witness
from .harvest import Harvest
from .shape import flood

_KILLED = 128 + signal.SIGKILL
_SLACK = 0.05  # the clock in the container has steps of 10 ms


@dataclass(frozen=True)
class Measures:
    """The two lines of `end`: the time, processor nanoseconds, peak bytes and kills for memory, before and after."""

    code: int | None = None
    seconds: float = 0.0
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    kills: int = 0

    @classmethod
    def parse(cls, end: bytes) -> "Measures":
        lines = [line.split() for line in end[:1_000].decode("latin-1").splitlines()]
        if len(lines) < 2 or any(len(line) != 5 for line in lines[:2]):
            return cls()
        before, after = ([_number(word) for word in line] for line in lines[:2])
        cpu = _difference(before[2], after[2])
        return cls(
            code=None if after[0] is None else int(after[0]) & 0xFF,
            seconds=_difference(before[1], after[1]) or 0.0,
            cpu_seconds=None if cpu is None else cpu / 1_000_000_000,
            peak_memory=None if after[3] is None else int(after[3]),
            kills=int(_difference(before[4], after[4]) or 0),
        )


def _number(word: str) -> float | None:
    return float(word) if len(word) < 25 and word.replace(".", "", 1).isdecimal() and word.isascii() else None


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def is_refusal(found: Harvest) -> bool:
    """Its input could not be unpacked: it has not begun. The job can say that as well, and is not believed."""
    return found.kept.get("job/end", b"").startswith(b"refused")


def ending(job: Job, image: str, found: Harvest, witness: Witness) -> Ending:
    measures = Measures.parse(found.kept.get("job/end", b""))
    ended = _cause(job, found, measures)
    streams = {name: found.kept.get(name, b"")[: job.spec.limits.output] for name in ("stdout", "stderr")}
    witness.complete("stdout", streams["stdout"])
    witness.complete("stderr", streams["stderr"])
    code = measures.code
    return Ending(
        ended=ended,
        exit_code=code if ended == "exit" else None,
        signal=None if ended == "exit" else _signal(code) or "SIGKILL",
        stdout=Captured(streams["stdout"], max(found.number("stdout.size"), len(streams["stdout"]))),
        stderr=Captured(streams["stderr"], max(found.number("stderr.size"), len(streams["stderr"]))),
        files=found.collected.files,
        seconds=measures.seconds,
        reason=" ".join(_reasons(measures, ended, found)),
        cpu_seconds=measures.cpu_seconds,
        peak_memory=measures.peak_memory,
        image=image,
    )


def _cause(job: Job, found: Harvest, measures: Measures) -> Ended:
    if max(found.number("stdout.size"), found.number("stderr.size")) >= flood(job.spec.limits.output):
        return "output"
    if measures.code is None:
        return "signal"  # it ended the process that watched over it
    if measures.kills and _signal(measures.code) == "SIGKILL":
        return "memory"
    if measures.code == _KILLED and measures.seconds >= job.spec.limits.time.total_seconds() - _SLACK:
        return "timeout"
    return "signal" if _signal(measures.code) else "exit"


def _reasons(measures: Measures, ended: Ended, found: Harvest) -> Iterator[str]:
    if measures.kills and ended != "memory":
        yield "One of its processes was ended when memory ran out."
    yield from found.collected.left_out


def _signal(code: int | None) -> str | None:
    """A shell says 128 and the signal; a program may exit with such a number too, which looks the same."""
    try:
        return signal.Signals(code - 128).name if code is not None and 128 < code <= 128 + 31 else None
    except ValueError:
        return None


def broken_off(image: str, ended: Ended, seconds: float, witness: Witness) -> Ending:
    """Without a word from inside: the container was ended, what was seen of its output is what there is."""
    streams = {name: bytes(seen) for name, seen in witness.seen.items()}
    return Ending(
        ended=ended,
        exit_code=None,
        signal="SIGKILL",
        stdout=Captured(streams["stdout"], len(streams["stdout"])),
        stderr=Captured(streams["stderr"], len(streams["stderr"])),
        files={},
        seconds=seconds,
        image=image,
    )
