"""What callers hand over, looked at where they call: a mistake is refused in a sentence, not by what stumbles over it.

A type checker says most of it before anything runs; this is for scripts and notebooks that have none.
"""

from datetime import datetime, timedelta
from typing import NoReturn, get_args
from uuid import UUID

from .envelope import PRIORITIES, RANK
from .errors import BadArgument, BadMessage
from .message import Message
from .reminders import SHORTEST_PERIOD, Missed


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


def check_name(given: object) -> None:
    if not isinstance(given, str) or not given:
        raise BadArgument(f"{given!r} is not the name of a reminder. Give a text, as in 'expire'.")


def check_reminder(name: object, at: object, after: object, every: object, missed: object) -> None:
    check_name(name)
    if at is None and after is None and every is None:
        raise BadArgument(f"reminder {name!r} needs a time: at=, after= or every=.")
    if at is not None:
        check_moment("at", at)
    for word, span in (("after", after), ("every", every)):
        if span is not None:
            check_span(word, span)
    if isinstance(every, timedelta) and every < SHORTEST_PERIOD:
        raise BadArgument(f"reminder {name!r}: `every` is under {SHORTEST_PERIOD.total_seconds():.0f} s.")
    if missed not in get_args(Missed):
        raise BadArgument(f"reminder {name!r}: missed={missed!r} is not one of {', '.join(get_args(Missed))}.")


def _refuse_moment(name: str, given: object, remedy: str) -> NoReturn:
    raise BadArgument(f"{name}={given!r} is not a datetime. {remedy}")
