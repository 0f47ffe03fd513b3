"""Whether an audit log is whole: the first place where it is not, and what is wrong there.

Nothing is asked of a database here: the rows may come from one, or from a file that was exported.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from .audit import AuditRow, Head


@dataclass(frozen=True)
class Fault:
    seq: int
    what: str  # changed, missing, reordered, replaced, cut off, or forged
    said: str


@dataclass(frozen=True)
class Whole:
    rows: int
    head: Head
    unheld: tuple[int, ...] = ()  # of the heads, those before the first row: nothing here shows whether they hold


async def check(rows: AsyncIterator[AuditRow], heads: Sequence[Head] = (), begins_after: int = 0) -> Whole | Fault:
    """`heads` are what the log is held against: its own, and those that were kept elsewhere."""
    wanted = {head.seq: head.hash for head in heads}
    last: AuditRow | None = None
    count = 0
    async for row in rows:
        fault = _fault(row, last, begins_after) or _against(wanted, row)
        if fault is not None:
            return fault
        if last is None and wanted.get(row.seq - 1, row.previous) != row.previous:
            return Fault(row.seq - 1, "forged", f"row {row.seq} follows another row {row.seq - 1} than the one kept")
        last, count = row, count + 1
    reached = last.seq if last is not None else begins_after
    if missing := [seq for seq in wanted if seq > reached]:
        said = f"the log ends at {reached}, and there was a row {max(missing)}: its end was cut off"
        return Fault(reached + 1, "cut off", said)
    unheld = tuple(sorted(seq for seq in wanted if 0 < seq < begins_after + (last is None)))
    return Whole(count, Head(reached, last.hash if last is not None else b""), unheld)


def _fault(row: AuditRow, last: AuditRow | None, begins_after: int) -> Fault | None:
    expected = (last.seq if last is not None else begins_after) + 1
    if row.seq > expected:
        return Fault(expected, "missing", f"row {expected} is missing: {row.seq} stands in its place")
    if row.seq < expected:
        return Fault(row.seq, "reordered", f"row {row.seq} stands where {expected} should: the order was changed")
    if row.expected_hash != row.hash:
        return Fault(row.seq, "changed", f"row {row.seq} does not say what it said when it was written")
    before = last.hash if last is not None else b""
    if (last is not None or row.seq == 1) and row.previous != before:
        return Fault(
            row.seq - 1, "replaced", f"row {row.seq} follows another row {row.seq - 1} than the one that is there"
        )
    return None


def _against(wanted: dict[int, bytes], row: AuditRow) -> Fault | None:
    if wanted.get(row.seq, row.hash) != row.hash:
        return Fault(row.seq, "forged", f"up to row {row.seq} the log was written anew: its hash is another one")
    return None
