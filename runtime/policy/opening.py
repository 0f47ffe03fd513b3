"""The policy of a process, as its settings say."""

from collections.abc import Awaitable, Callable

from ...memory.database import Database
from ...memory.grants import Grants
from ..settings import Settings
from .policy import Policy
from .rules import Rules, load


def rules_of(settings: Settings) -> Rules:
    return load(settings.policy.dir, settings.policy.owner)


def policy_of(settings: Settings, open: Callable[[], Awaitable[Database]]) -> Policy:  # noqa: A002 - as in Grants
    return Policy(rules_of(settings), Grants(open))
