"""Secrets of a stack, and the places where they must not be found.

Their forms are written down here anew, so that who hides them and who looks for them do not err together.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

CORE = "9dCanaryOfTheMine7f3a"
CANARY = f'"c/+{CORE}é\\ &'
UNUSED = "4eCanaryThatNobodyAsksFor"  # in the worker's environment, and in no argument
CANARIES = {"RESPROUT_SECRET_CANARY": CANARY, "RESPROUT_SECRET_UNUSED": UNUSED}

TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


def forms() -> Iterator[bytes]:
    for secret in (CORE.encode(), UNUSED.encode()):
        yield from (secret, secret.hex().encode(), secret.hex().upper().encode())
    for value in (CANARY.encode(), UNUSED.encode()):
        for before in range(3):
            coded = base64.b64encode(b"\0" * before + value)
            yield from (coded[8:20], coded[8:20].translate(bytes.maketrans(b"+/", b"-_")))


def found(content: bytes) -> list[str]:
    """What of the canaries is in it, with what stands around."""
    places = ((content.find(form), form) for form in forms())
    return [repr(content[max(0, at - 120) : at + 60]) for at, _ in places if at >= 0]


def found_in_files(*places: Path) -> list[str]:
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    return [f"{file}: {told}" for file in files for told in found(file.read_bytes())]


async def found_in_tables(dsn: str) -> tuple[list[str], set[str]]:
    """And the tables that have rows."""
    connection = await asyncpg.connect(dsn)
    told, filled = [], set()
    try:
        for (table,) in await connection.fetch(TABLES):
            for row in await connection.fetch(f"SELECT * FROM {table}"):
                filled.add(table)
                told += [f"{table}: {one}" for one in found(b"\n".join(map(_bytes, row.values())))]
    finally:
        await connection.close()
    return told, filled


def _bytes(value: Any) -> bytes:
    match value:
        case bytes():
            return value
        case list() | tuple():
            return b"\n".join(map(_bytes, value))
        case dict():
            return json.dumps(value, default=str, ensure_ascii=False).encode()
        case UUID():
            return value.bytes
        case _:
            return str(value).encode(errors="replace")
