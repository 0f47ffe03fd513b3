"""What models cost: from the list that ships, and from a file of the user's own before it.

The invariant: no cost is a guess. A model that is on neither list has no price, which is not a price of nothing; sums
are whole trillionths of a dollar, and a cost is rounded up to billionths once.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...actors.errors import ConfigError
from ...actors.models import Usage
from ...actors.words import sentence

SHIPPED = Path(__file__).with_name("prices.toml")
LOCAL = "local"
MILLION = 10**6  # tokens, of a price; and trillionths of a dollar in a millionth
_VERSION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")

Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
Tokens = Annotated[int, Field(strict=True, ge=1)]


class Rates(BaseModel):
    """US dollars per million tokens, which are as many millionths of a dollar per token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    output: Dollars
    cached: Dollars | None = None  # None: as any input
    written: Dollars | None = None

    def picos(self, usage: Usage) -> int:
        plain = usage.input_tokens - usage.cached_tokens - usage.written_tokens
        parts = (
            (plain, self.input),
            (usage.cached_tokens, self._or_input(self.cached)),
            (usage.written_tokens, self._or_input(self.written)),
            (usage.output_tokens, self.output),
        )
        return sum(tokens * int(rate * MILLION) for tokens, rate in parts)

    def most_picos(self, input_tokens: int, output_tokens: int) -> int:
        """Whatever a cache does."""
        dearest = max(self.input, self._or_input(self.cached), self._or_input(self.written))
        return input_tokens * int(dearest * MILLION) + output_tokens * int(self.output * MILLION)

    def _or_input(self, rate: Decimal | None) -> Decimal:
        return self.input if rate is None else rate


class RatesAbove(Rates):
    """Of all tokens of a call with a longer input than this."""

    input_tokens: Tokens


class Price(Rates):
    above: RatesAbove | None = None
    window: Tokens | None = None  # tokens, in and out
    most_output: Tokens | None = None
    dated: date
    source: str = Field(min_length=1)

    def cost(self, usage: Usage) -> int:
        """In nano-dollars."""
        return _nanos(self._rates(usage.input_tokens).picos(usage))

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """What a call of at most so many tokens costs at most, in nano-dollars."""
        return _nanos(self._most_picos(input_tokens, output_tokens))

    def output_for(self, nanos: int, input_tokens: int) -> int | None:
        """How many tokens it may say for so much, after such an input. None: as many as it likes."""
        read = self._most_picos(input_tokens, 0)
        each = self._most_picos(input_tokens, 1) - read
        return max(nanos * 1000 - read, 0) // each if each else None

    def _most_picos(self, input_tokens: int, output_tokens: int) -> int:
        return max(one.most_picos(input_tokens, output_tokens) for one in (self, self._rates(input_tokens)))

    def _rates(self, input_tokens: int) -> Rates:
        return self.above if self.above is not None and input_tokens > self.above.input_tokens else self


@dataclass(frozen=True)
class Prices:
    known: Mapping[str, Price]

    @classmethod
    def load(cls, own: Path | None = None) -> "Prices":
        """Raises ConfigError for a file that cannot be read as one of prices."""
        return cls(_shipped() if own is None else {**_shipped(), **_read(own)})

    def of(self, model: str) -> Price | None:
        """A version of a model costs what the model does, unless it is named itself. None: nobody knows."""
        provider = model.partition("/")[0]
        names = (model, _VERSION.sub("", model), LOCAL if provider == LOCAL else model)
        return next((self.known[name] for name in names if name in self.known), None)


@cache
def _shipped() -> Mapping[str, Price]:
    return _read(SHIPPED)


def _read(path: Path) -> dict[str, Price]:
    try:
        document = tomllib.loads(path.read_text(), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the prices in {path} cannot be read: {error}. Mend the file, or `models.prices`.") from None
    return {model: _price(model, words, path) for model, words in document.items()}


def _price(model: str, words: object, path: Path) -> Price:
    try:
        return Price.model_validate(words)
    except ValidationError as error:
        raise ConfigError(
            f"the price of `{model}` in {path} does not fit: {sentence(error, Price)} Write input, output, dated and "
            "source, as the list that ships does."
        ) from None


def _nanos(picos: int) -> int:
    return -(-picos // 1000)
