"""The audit log: what was decided and what became of it, chained by hashes.

The invariant: a row's hash covers all that it says and the hash of the row before. So a row that is changed, taken out,
put in or moved breaks the chain from there on, and a tail that is cut off does not end where the head says. Who can
rewrite the whole log and the head can forge it: keep heads elsewhere (`resprout audit anchor`), they are what the
chain is held against.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .database import Database
from .translated import translated

LONGEST_ARGUMENTS = 16_000  # characters of JSON that are kept; the digest is of all
PAGE = 1_000

HEAD = "SELECT seq, hash, clock_timestamp() AS at FROM resprout.audit_head FOR UPDATE"
MOVE_HEAD = "UPDATE resprout.audit_head SET seq = $1, hash = $2"

ADD = """
INSERT INTO resprout.audit (seq, at, kind, tenant, chain, run, step, tool, version, verdict, reasons, policy, approval,
                            arguments, digest, previous, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

_COLUMNS = (
    "seq, at, kind, tenant, chain, run, step, tool, version, verdict, reasons, policy, approval, arguments, digest, "
    "previous, hash"
)

AFTER = f"SELECT {_COLUMNS} FROM resprout.audit WHERE seq > $1 ORDER BY seq LIMIT $2"

SEARCH = f"""
SELECT {_COLUMNS} FROM resprout.audit
WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
  AND ($3::text IS NULL OR $3 = ANY (chain)) AND ($4::text IS NULL OR tool = $4)
  AND ($5::text IS NULL OR run = $5) AND ($6::text IS NULL OR verdict = $6)
  AND ($7::text IS NULL OR kind = $7) AND ($8::text IS NULL OR tenant = $8)
  AND ($9::text IS NULL OR strpos(lower(arguments::text || array_to_string(reasons, ' ') || step), lower($9)) > 0)
ORDER BY seq DESC LIMIT $10
"""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    kind: str
    tenant: str
    chain: Sequence[str]
    run: str | None = None
    step: str = ""
    tool: str = ""
    version: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    verdict: str | None = None
    reasons: Sequence[str] = ()
    policy: str = ""
    approval: str | None = None


@dataclass(frozen=True)
class AuditRow:
    seq: int
    at: datetime
    kind: str
    tenant: str
    chain: Sequence[str]
    run: str | None
    step: str
    tool: str
    version: str
    verdict: str | None
    reasons: Sequence[str]
    policy: str
    approval: str | None
    arguments: str  # JSON, as it was stored
    digest: str
    previous: bytes
    hash: bytes

    @property
    def expected_hash(self) -> bytes:
        """Of what it says. The arguments as text: a database that writes JSON otherwise would change them."""
        said = [
            self.seq,
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            *(self.kind, self.tenant, list(self.chain), self.run, self.step, self.tool, self.version, self.verdict),
            *(list(self.reasons), self.policy, self.approval, self.arguments, self.digest),
        ]
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(self.previous + text.encode()).digest()

    def as_json(self) -> dict[str, Any]:
        told = vars(self) | {"chain": list(self.chain), "reasons": list(self.reasons)}
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return told | {"at": at, "previous": self.previous.hex(), "hash": self.hash.hex()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "AuditRow":
        hashes = {name: bytes.fromhex(told[name]) for name in ("previous", "hash")}
        return cls(**(told | hashes | {"at": datetime.fromisoformat(told["at"])}))


async def append(connection: Any, events: Sequence[AuditEvent]) -> None:
    """In the transaction of the caller, as its last statement: until it ends, nobody else appends."""
    if not events:
        return
    head = await connection.fetchrow(HEAD)
    seq, previous = head["seq"], head["hash"]
    rows = []
    for event in events:
        seq += 1
        row = _row(event, seq, head["at"], previous)
        rows.append(tuple(vars(row).values()))
        previous = row.hash
    await connection.executemany(ADD, rows)
    await connection.execute(MOVE_HEAD, seq, previous)


def _row(event: AuditEvent, seq: int, at: datetime, previous: bytes) -> AuditRow:
    arguments = json.dumps(event.arguments, sort_keys=True)
    digest = hashlib.sha256(arguments.encode()).hexdigest()
    if len(arguments) > LONGEST_ARGUMENTS:
        arguments = json.dumps({"cut": True, "characters": len(arguments), "begins": arguments[:LONGEST_ARGUMENTS]})
    row = AuditRow(
        seq=seq,
        at=at,
        kind=event.kind,
        tenant=event.tenant,
        chain=list(event.chain),
        run=event.run,
        step=event.step,
        tool=event.tool,
        version=event.version,
        verdict=event.verdict,
        reasons=[reason.replace("\0", "\\0") for reason in event.reasons],
        policy=event.policy,
        approval=event.approval,
        arguments=arguments,
        digest=digest,
        previous=previous,
        hash=b"",
    )
    return AuditRow(**{**vars(row), "hash": row.expected_hash})


@dataclass(frozen=True)
class Head:
    seq: int
    hash: bytes


@dataclass(frozen=True)
class Audit:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def append(self, events: Sequence[AuditEvent]) -> None:
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                await append(connection, events)

    async def head(self) -> Head:
        with translated():
            row = await (await self.open()).pool.fetchrow("SELECT seq, hash FROM resprout.audit_head")
        assert row is not None
        return Head(row["seq"], row["hash"])

    async def rows(self, after: int = 0) -> AsyncIterator[AuditRow]:
        """From the beginning, page by page."""
        while True:
            with translated():
                page = await (await self.open()).pool.fetch(AFTER, after, PAGE)
            for row in page:
                yield AuditRow(**row)
            if len(page) < PAGE:
                return
            after = page[-1]["seq"]

    async def search(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        principal: str | None = None,
        tool: str | None = None,
        run: str | None = None,
        verdict: str | None = None,
        kind: str | None = None,
        tenant: str | None = None,
        text: str | None = None,
        limit: int = 100,
    ) -> list[AuditRow]:
        """The latest first."""
        values = (since, until, principal, tool, run, verdict, kind, tenant, text, limit)
        with translated():
            return [AuditRow(**row) for row in await (await self.open()).pool.fetch(SEARCH, *values)]
