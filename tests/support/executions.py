"""Sees from outside how often code was really run: by the processes of this machine, and by the engine's own events."""

import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType

from docker import APIClient

LOOK_EVERY = 0.03  # seconds; the kernel tells nobody of new processes, and those looked for live ten times as long
YOUNG = 2.0  # seconds, in which a new process may still become another program


class Sleepers:
    """Which processes `sleep WORD` there ever were, by word, on this machine and in its sandboxes."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.longest_gap = 0.0  # in seconds: what lived for less between two looks may not have been seen
        self._born: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Sleepers":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(LOOK_EVERY):
            self._look(began := time.monotonic())
            self.longest_gap = max(self.longest_gap, time.monotonic() - last)
            last = began

    def _look(self, now: float) -> None:
        there = {entry.name for entry in os.scandir("/proc") if entry.name.isdigit()}
        self._born = {pid: self._born.get(pid, now) for pid in there}
        for pid, born in self._born.items():
            if now - born < YOUNG and (word := _word(pid)) is not None:
                self.seen[word].add(pid)


def _word(pid: str) -> str | None:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return words[1].decode() if words[0] == b"sleep" and len(words) > 1 else None


class Containers:
    """Which containers of an installation ever had a runner under a name; the engine tells of each as it happens.

    One from the pool has its runner before it is renamed.
    """

    def __init__(self, url: str, label: str) -> None:
        self.used: dict[str, set[str]] = defaultdict(set)
        self._api, self._label = APIClient(url, version="auto"), label
        self._events = self._api.events(decode=True, filters={"label": label, "type": "container"})
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Containers":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._events.close()
        self._thread.join()
        self._api.close()

    def left(self) -> list[str]:
        found = self._api.containers(all=True, filters={"label": self._label})
        return [one["Names"][0].removeprefix("/") for one in found]

    def _listen(self) -> None:
        for event in self._events:
            if event["Action"].startswith(("exec_start", "rename")):
                self.used[event["Actor"]["Attributes"]["name"]].add(event["Actor"]["ID"])
