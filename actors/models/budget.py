"""What may be spent on models and tools, what a call holds of it, and how it is told that it cannot."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

from .money import dollars

OF_TENANT = "tenant:"  # so the ids of the budgets of tenants begin, as `budget_window` in the database makes them

Bound = Literal["tokens", "cost", "calls", "time", "missing"]


@dataclass(frozen=True, slots=True)
class Limits:
    """None: as much as the budgets above it allow."""

    tokens: int | None = None
    nanos: int | None = None
    calls: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    tokens: int = 0
    nanos: int | None = 0  # None: nobody knows the price
    calls: int = 0

    def exceeds(self, held: "Amount") -> bool:
        pairs = ((self.tokens, held.tokens), (self.nanos or 0, held.nanos or 0), (self.calls, held.calls))
        return any(used > reserved for used, reserved in pairs)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one attempt at a call may use."""

    key: str
    attempt: int
    amount: Amount


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing was reserved: this limit of this budget would have been exceeded."""

    budget: str
    title: str
    bound: Bound
    allowed: int
    left: int
    asked: Amount
    held: int = 0  # by calls under way, which may use less of it

    def __str__(self) -> str:
        whose = f"the budget of {self.title}"
        remedy = f"See `resprout budget show {self.budget}`, and give it more{self._by_command} or ask for less."
        match self.bound:
            case "tokens":
                held = f", calls under way hold {self.held:,}" if self.held else ""
                return (
                    f"{whose} has {self.left:,} of {self.allowed:,} tokens left{held}, and this could take "
                    f"{self.asked.tokens:,}. {remedy}"
                )
            case "cost" if self.asked.nanos is None:
                return f"{whose} limits money, and nobody knows what this costs: put its price into `models.prices`."
            case "cost":
                held = f", calls under way hold {dollars(self.held)}" if self.held else ""
                return (
                    f"{whose} has {dollars(self.left)} of {dollars(self.allowed)} left{held}, and this could cost "
                    f"{dollars(self.asked.nanos or 0)}. {remedy}"
                )
            case "calls":
                held = f", {self.held:,} are under way" if self.held else ""
                return f"{whose} has {self.left:,} of {self.allowed:,} calls left{held}. {remedy}"
            case "time":
                return f"the time of {whose} has passed. {remedy}"
            case "missing":
                return f"there is no budget {self.budget}: open it before something is to be spent from it."
            case _:
                assert_never(self.bound)

    @property
    def _by_command(self) -> str:
        """Those of tenants have one; the others are given with what is run."""
        tenant = self.budget.removeprefix(OF_TENANT).partition("/")[0]
        return f" with `resprout budget set --tenant {tenant}`" if self.budget.startswith(OF_TENANT) else ""
