"""Calls on file, for tests of agents: asked once in earnest, then answered from the file with no key and no network.

A file of JSON lines, one a call, found by a digest of what was asked; how long one waits for an answer, what caches
call the conversation, and who pays are no part of the question: they differ from run to run. Values of secrets are
veiled before anything is written, and in the question before it is looked up: who replays need not have them.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ...actors.errors import ConfigError, Rejected
from ...actors.models import Model, ModelReply, ModelRequest, Piece
from ..secrets import Veil
from .streams import closable

Mode = Literal["record", "replay"]
NO_QUESTION = {"timeout_seconds", "conversation", "account"}


class NotRecorded(Rejected):
    """The cassette has no answer to this, and none is to be asked for."""


@dataclass(frozen=True)
class Recorded:
    line: int
    question: dict[str, Any]
    pieces: list[str]
    reply: ModelReply


class Cassette:
    """`record` asks what is not on file and adds it; `replay` refuses it."""

    def __init__(self, path: Path, mode: Mode, model: Model, veil: Callable[[], Veil]) -> None:
        self._path = path
        self._mode = mode
        self._model = model
        self._veil = veil
        self._records = _read(path) if path.exists() or mode == "replay" else {}

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        question = self._veil().hidden(request.model_dump(mode="json", exclude=NO_QUESTION))
        record = self._records.get(digest(question))
        if record is not None:
            for text in record.pieces:
                yield Piece(text=text)
            yield record.reply
        elif self._mode == "record":
            async with aclosing(closable(self._asked(request, question))) as said:
                async for part in said:
                    yield part
        else:
            raise NotRecorded(_not_recorded(self._path, question, list(self._records.values())))

    async def _asked(self, request: ModelRequest, question: dict[str, Any]) -> AsyncIterator[Piece | ModelReply]:
        pieces: list[str] = []
        async with aclosing(closable(self._model.stream(request))) as said:
            async for part in said:
                match part:
                    case Piece(anew=True):
                        pieces.clear()
                    case Piece():
                        pieces.append(part.text)
                    case ModelReply():
                        self._add(question, pieces, part)
                yield part

    def _add(self, question: dict[str, Any], pieces: list[str], reply: ModelReply) -> None:
        veil = self._veil()
        whole = "".join(pieces)
        # A value may be spread over pieces, where no veil would find it.
        shown = pieces if veil.hide(whole) == whole else [veil.hide(whole)]
        answer = veil.hidden(reply.model_dump(mode="json"))
        record = Recorded(len(self._records) + 1, question, shown, ModelReply.model_validate(answer))
        line = {"digest": digest(question), "question": question, "pieces": shown, "reply": answer}
        # One write: several hosts may record on one cassette.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, (json.dumps(line) + "\n").encode())
        finally:
            os.close(file)
        self._records[digest(question)] = record


def digest(question: dict[str, Any]) -> str:
    return sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> dict[str, Recorded]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise ConfigError(f"the cassette {path} is no text: name a file that was recorded.") from None
    except OSError as error:
        raise ConfigError(
            f"the cassette {path} cannot be read ({error.strerror}): set `models.cassette_mode` to record to make it."
        ) from None
    records = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            # An older line may hold more.
            question = {field: value for field, value in one["question"].items() if field not in NO_QUESTION}
            record = Recorded(number, question, one["pieces"], ModelReply.model_validate(one["reply"]))
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
            raise ConfigError(f"line {number} of the cassette {path} is no recorded call: remove that line.") from None
        # Not as it is written there: who edits a question would look for why it is not found.
        records[digest(record.question)] = record
    return records


def _not_recorded(path: Path, question: dict[str, Any], records: list[Recorded]) -> str:
    remedy = "Set `models.cassette_mode` to record to ask it once in earnest."
    if not records:
        return f"the cassette {path} is empty. {remedy}"
    nearest = max(records, key=lambda record: _difference(question, record.question)[1])
    where, _ = _difference(question, nearest.question)
    return f"the cassette {path} has no such call: the nearest, in line {nearest.line}, differs in {where}. {remedy}"


def _difference(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, float]:
    """The first place that differs, without what stands there, and how much is the same before and after it."""
    ours, theirs = dict(_leaves(one)), dict(_leaves(other))
    places = list(dict.fromkeys([*ours, *theirs]))
    different = [place for place in places if ours.get(place) != theirs.get(place)]
    first = different[0]
    here, there = ours.get(first), theirs.get(first)
    if isinstance(here, str) and isinstance(there, str):
        same = next(i for i, (a, b) in enumerate(zip_longest(here, there)) if a != b)
        return f"{first}, at character {same + 1}", -len(different) + same / (len(here) + len(there))
    missing = "" if first in ours and first in theirs else (", which it has not" if first in ours else ", which is new")
    return f"{first}{missing}", -float(len(different))


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict() if value:
            for name, one in value.items():
                yield from _leaves(one, f"{place}.{name}" if place else name)
        case list() if value:
            for number, one in enumerate(value):
                yield from _leaves(one, f"{place}[{number}]")
        case _:
            yield place, value
