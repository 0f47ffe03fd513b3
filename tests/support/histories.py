"""Histories of runs, recorded once and replayed by every later interpreter: a change that breaks runs in flight shows.

`RESPROUT_RECORD_HISTORIES=1 pytest tests/runs/test_constructs.py tests/runs/test_tasks.py` records those that have
none yet.
"""

import gzip
import re
from pathlib import Path

from temporalio.client import WorkflowHistory

from .runs import Runs

RECORD = "RESPROUT_RECORD_HISTORIES"
DIRECTORY = Path(__file__).resolve().parents[1] / "runs" / "histories"
LARGEST = 200  # events; what is in longer ones is in shorter ones too


async def record(runs: Runs, test: str) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for number, run in enumerate(runs.started):
        name = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower()).strip("-")
        path = DIRECTORY / f"{name}-{number}.json.gz"
        history = await run.handle.fetch_history()
        if not path.exists() and len(history.events) <= LARGEST and "large" not in name:
            path.write_bytes(gzip.compress(history.to_json().encode(), mtime=0))


def recorded() -> list[Path]:
    return sorted(DIRECTORY.glob("*.json.gz"))


def load(path: Path) -> WorkflowHistory:
    text = gzip.decompress(path.read_bytes()).decode()
    started = WorkflowHistory.from_json("unknown yet", text).events[0].workflow_execution_started_event_attributes
    return WorkflowHistory.from_json(started.workflow_id, text)
