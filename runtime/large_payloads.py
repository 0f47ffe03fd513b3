"""Payloads over 64 KB go to Postgres, and Temporal's history holds a reference with a preview: nobody has to care.

Without this, a history of large outputs runs into Temporal's limits (2 MB a payload, 50 MB a history).
"""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)
from temporalio.exceptions import ApplicationError

from ..actors.size import LARGEST_VALUE
from ..memory import large_payloads
from ..memory.database import Database
from .lazy_database import LazyDatabase
from .settings import PostgresSettings

KEPT_ASIDE_FROM = 64 * 1024  # bytes
LARGEST = LARGEST_VALUE + 1_000_000  # runs refuse what they give away themselves; here the rest ends
PREVIEW = 300  # characters


class InPostgres(StorageDriver):
    def __init__(self, settings: PostgresSettings) -> None:
        self.database = LazyDatabase(settings, "large payloads", pool_size=4)

    def name(self) -> str:
        return "resprout"

    def type(self) -> str:
        return "resprout.postgres"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        for payload in payloads:
            if payload.ByteSize() > LARGEST:
                raise ApplicationError(
                    f"a value of {payload.ByteSize():,} bytes is more than a run can carry ({LARGEST:,}). Keep it in a "
                    "file or store and pass a reference to it.",
                    type="TooLarge",
                    non_retryable=True,
                )
        keys = await large_payloads.keep(await self._open(), [payload.SerializeToString() for payload in payloads])
        return [
            StorageDriverClaim({"key": key.hex(), "bytes": str(len(payload.data)), "preview": _preview(payload)})
            for key, payload in zip(keys, payloads, strict=True)
        ]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        found = await large_payloads.fetch(
            await self._open(), [bytes.fromhex(claim.claim_data["key"]) for claim in claims]
        )
        return [_payload(claim, one) for claim, one in zip(claims, found, strict=True)]

    async def _open(self) -> Database:
        """Where there is a Postgres that is away, its error is not ours to translate: it is tried again."""
        if self.database.is_missing:
            raise ApplicationError(
                "this value is kept in Postgres, and no Postgres is configured here: set `postgres.dsn`.",
                type="NotRunning",
            )
        return await self.database.open()


def external_storage(settings: PostgresSettings) -> ExternalStorage:
    return ExternalStorage(drivers=[InPostgres(settings)], payload_size_threshold=KEPT_ASIDE_FROM)


def _preview(payload: Payload) -> str:
    text = payload.data[: PREVIEW * 4].decode(errors="replace")
    return f"{text[:PREVIEW]}…" if len(payload.data) > PREVIEW else text


def _payload(claim: StorageDriverClaim, kept: bytes | None) -> Payload:
    if kept is None:
        raise ApplicationError(
            f"the value {claim.claim_data['key'][:12]}… of {claim.claim_data.get('bytes')} bytes is not in Postgres: "
            "it was deleted, or this is another database than the one it was kept in.",
            type="NotFound",
            non_retryable=True,
        )
    return Payload.FromString(kept)
