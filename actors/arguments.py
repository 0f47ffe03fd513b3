"""What callers hand over, looked at where they call: a mistake is refused in a sentence, not by what stumbles over it.

A type checker says most of it before anything runs; this is for scripts and notebooks that have none.
"""

from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from .envelope import PRIORITIES, RANK
from .errors import BadArgument, BadMessage
from .message import Message


def check_message(given: object, where: str) -> None:
    """`where` it is going, for the sentence: `clerk/a`, `topic news`, `reminder 'wake'`."""
    if isinstance(given, Message) and type(given) is not Message:
        return
    example = f"it, as in {given.__name__}(…)" if isinstance(given, type) else "a Message class, as in Add(amount=1)"
    raise BadMessage(f"what is sent to {where} is {described(given)}, not a message. Give an instance of {example}.")


def described(given: object) -> str:
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    name = type(given).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def check_priority(given: object) -> None:
    if not isinstance(given, str) or given not in RANK:
        raise BadArgument(f"priority={given!r} is not one of {', '.join(PRIORITIES)}.")


def check_id(given: object) -> None:
    if given is not None and not isinstance(given, UUID):
        raise BadArgument(f"id={given!r} is not a UUID. Give one that a call returned, uuid4(), or UUID(text).")


def check_span(name: str, given: object) -> None:
    if isinstance(given, timedelta):
        return
    seconds = given if isinstance(given, int | float) and 0 < given < 1e9 else 5
    raise BadArgument(f"{name}={given!r} is not a timedelta. Write {name}=timedelta(seconds={seconds:g}).")


def check_moment(name: str, given: object) -> None:
    if isinstance(given, timedelta):
        _refuse_moment(name, given, f"Add it to the present: {name}=datetime.now(UTC) + …")
    if not isinstance(given, datetime):
        _refuse_moment(name, given, f"Write {name}=datetime.now(UTC) + timedelta(minutes=5).")
    if given.tzinfo is None:
        raise BadArgument(f"{name}={given!r} has no time zone. Give it one, as in datetime.now(UTC).")


def _refuse_moment(name: str, given: object, remedy: str) -> NoReturn:
    raise BadArgument(f"{name}={given!r} is not a datetime. {remedy}")
