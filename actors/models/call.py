"""A call of a model as it is written down: before it is made, and when it has ended."""

from dataclasses import dataclass
from typing import Literal

from .account import Account
from .budget import Amount
from .reply import Usage

Outcome = Literal["done", "lost", "failed", "rejected", "busy"]


@dataclass(frozen=True, slots=True)
class CallBegun:
    key: str  # its account's step, or one of its own
    account: Account
    model: str  # as it was asked for
    bound: Amount  # what it could take at most


@dataclass(frozen=True, slots=True)
class CallEnded:
    outcome: Outcome
    spent: Amount  # as it counts in budgets; all zero: nothing was sent
    seconds: float
    usage: Usage | None = None  # None: nobody knows
    nanos: int | None = None  # what it cost, if that is known
    answered: str | None = None  # the model that did
    version: str | None = None
