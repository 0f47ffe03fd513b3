"""Records `make demo` in a terminal of its own, as `docs/demo.cast` (asciinema's format) and as `docs/demo.svg`.

python -m docs.cast.record            # runs the demo
python -m docs.cast.record --draw     # draws the recording that is there anew
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import struct
import sys
import termios
import time
from pathlib import Path

from .drawing import Event, pictures, svg
from .terminal import Terminal, drawn

DOCS = Path(__file__).resolve().parents[1]
CAST, DRAWN = DOCS / "demo.cast", DOCS / "demo.svg"
COLUMNS, ROWS = 104, 34
LARGEST = 300_000  # bytes, of what a reader of the README has to load


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--draw", action="store_true", help="only draw what was recorded before")
    words.add_argument("command", nargs="*", default=[sys.executable, "-m", "examples.demo"], help="what is recorded")
    given = words.parse_args()
    if not given.draw:
        code, events = recorded(given.command)
        if code:
            return fail(f"what was recorded ended with {code}, and nothing was kept. Mend it, and record it again.")
        CAST.write_text("".join(f"{json.dumps(line)}\n" for line in written(thinned(events))))
    if not CAST.exists():
        return fail(f"there is no recording {CAST}. Leave --draw out to make one.")
    DRAWN.write_text(svg(pictures(read(), COLUMNS, ROWS), COLUMNS, ROWS))
    large = [path.name for path in (CAST, DRAWN) if path.stat().st_size > LARGEST]
    return fail(f"{' and '.join(large)} are over {LARGEST:,} bytes. Raise BETWEEN_PICTURES.") if large else 0


def recorded(command: list[str]) -> tuple[int, list[Event]]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began, decode, events = time.monotonic(), codecs.getincrementaldecoder("utf-8")("replace"), list[Event]()
    while said := _read(terminal):
        events.append((round(time.monotonic() - began, 3), decode.decode(said)))
        os.write(sys.stdout.fileno(), said)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), events


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how a terminal says that nobody writes any more
        return b""


def thinned(events: list[Event]) -> list[Event]:
    """What a terminal shows of it: many pictures a second, drawn whole, are a hundred times as many bytes."""
    shown, before = list[Event](), Terminal(COLUMNS, ROWS).picture()
    for seconds, picture in pictures(events, COLUMNS, ROWS):
        changed = [number for number, row in enumerate(picture) if row != before[number]]
        shown.append(
            (round(seconds, 2), "".join(f"\x1b[{number + 1};1H\x1b[2K{drawn(picture[number])}" for number in changed))
        )
        before = picture
    return shown


def written(events: list[Event]) -> list[object]:
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "make demo"}
    return [header, *([seconds, "o", text] for seconds, text in events)]


def read() -> list[Event]:
    _, *events = (json.loads(line) for line in CAST.read_text().splitlines())
    return [(seconds, text) for seconds, _, text in events]


def fail(words: str) -> int:
    sys.stderr.write(f"error: {words}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
