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
COMPACT = (",", ":")

APPEND = "SELECT resprout.append_audit($1::text[])"

# What is tried again and again is said once, until something else is said of its step.
APPEND_NEWS = """
SELECT resprout.append_audit(ARRAY[$1::text])
WHERE NOT EXISTS (
    SELECT FROM (
        SELECT kind, reasons FROM resprout.audit WHERE run = $4 AND step = $5 ORDER BY seq DESC LIMIT 1
    ) AS last
    WHERE kind = $2 AND reasons = $3::text[]
)
"""

_COLUMNS = (
    "seq, at, kind, tenant, chain, run, step, tool, version, verdict, reasons, policy, approval, arguments, digest, "
    "previous, hash, grounds"
)

AFTER = f"SELECT {_COLUMNS} FROM resprout.audit WHERE seq > $1 ORDER BY seq LIMIT $2"

SEARCH = f"""
SELECT {_COLUMNS} FROM resprout.audit
WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
  AND ($3::text IS NULL OR $3 = ANY (chain)) AND ($4::text IS NULL OR tool = $4)
  AND ($5::text IS NULL OR run = $5) AND ($6::text IS NULL OR verdict = $6)
  AND ($7::text IS NULL OR kind = $7) AND ($8::text IS NULL OR tenant = $8)
  AND ($9::text IS NULL OR strpos(lower(concat_ws(' ', arguments::text, array_to_string(reasons, ' '), step,
                                              array_to_string(grounds, ' '))), lower($9)) > 0)
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
    grounds: Sequence[str] | None = None  # of a decision: the grants, roles or rules that made it so
    is_news: bool = False  # said only when the row before of its step said something else


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
    grounds: Sequence[str] | None = None  # None: it decides nothing, or is from before they were kept

    @property
    def expected_hash(self) -> bytes:
        when = json.dumps([self.seq, self.at.astimezone(UTC).isoformat(timespec="microseconds")], separators=COMPACT)
        return hashlib.sha256(self.previous + f"{when[:-1]},{self.said[1:]}".encode()).digest()

    @property
    def said(self) -> str:
        """All after the time, as it is hashed. The arguments as text: a database that writes JSON otherwise would
        change them."""
        return _said(
            *(self.kind, self.tenant, list(self.chain), self.run, self.step, self.tool, self.version, self.verdict),
            *(list(self.reasons), self.policy, self.approval, self.arguments, self.digest),
            grounds=self.grounds,
        )

    def as_json(self) -> dict[str, Any]:
        told = vars(self) | {"chain": list(self.chain), "reasons": list(self.reasons)}
        told["grounds"] = list(self.grounds) if self.grounds is not None else None
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return told | {"at": at, "previous": self.previous.hex(), "hash": self.hash.hex()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "AuditRow":
        hashes = {name: bytes.fromhex(told[name]) for name in ("previous", "hash")}
        return cls(**(told | hashes | {"at": datetime.fromisoformat(told["at"])}))


async def append(connection: Any, events: Sequence[AuditEvent]) -> None:
    """In the transaction of the caller, as its last statement: until it ends, nobody else appends. Of a pool, in one of
    its own."""
    if events:
        await connection.execute(APPEND, sayings(events))


def sayings(events: Sequence[AuditEvent]) -> list[str]:
    """As `resprout.append_audit` takes them."""
    return [_saying(event) for event in events]


def _saying(event: AuditEvent) -> str:
    arguments = json.dumps(event.arguments, sort_keys=True)
    digest = hashlib.sha256(arguments.encode()).hexdigest()
    if len(arguments) > LONGEST_ARGUMENTS:
        arguments = json.dumps({"cut": True, "characters": len(arguments), "begins": arguments[:LONGEST_ARGUMENTS]})
    reasons = [reason.replace("\0", "\\0") for reason in event.reasons]
    return _said(
        *(event.kind, event.tenant, list(event.chain), event.run, event.step, event.tool, event.version),
        *(event.verdict, reasons, event.policy, event.approval, arguments, digest),
        grounds=event.grounds,
    )


def _said(*columns: Any, grounds: Sequence[str] | None) -> str:
    """Without grounds a row is what it was before there were any."""
    every = columns if grounds is None else (*columns, list(grounds))
    return json.dumps(every, separators=COMPACT, ensure_ascii=True)


@dataclass(frozen=True)
class Head:
    seq: int
    hash: bytes


@dataclass(frozen=True)
class Audit:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def append(self, events: Sequence[AuditEvent]) -> None:
        with translated():
            pool = (await self.open()).pool
            await append(pool, [event for event in events if not event.is_news])
            for event in events:
                if event.is_news:
                    where = (event.kind, list(event.reasons), event.run, event.step)
                    await pool.execute(APPEND_NEWS, _saying(event), *where)

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

    async def row(self, seq: int) -> AuditRow | None:
        with translated():
            found = await (await self.open()).pool.fetch(AFTER, seq - 1, 1)
        return next((AuditRow(**row) for row in found if row["seq"] == seq), None)

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
