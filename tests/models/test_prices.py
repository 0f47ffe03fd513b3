"""What models cost: exactly, with nothing guessed."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.models.prices import Price, Prices
from resprout.actors.errors import ConfigError
from resprout.actors.models import Usage
from resprout.actors.models.money import dollars, nanos_of

PRICES = Prices.load()
COUNTS = st.integers(0, 2_000_000)


def price(model: str) -> Price:
    found = PRICES.of(model)
    assert found is not None, model
    return found


def usage(plain: int, cached: int, written: int, output: int) -> Usage:
    return Usage(
        input_tokens=plain + cached + written, cached_tokens=cached, written_tokens=written, output_tokens=output
    )


def test_a_cost_is_that_of_the_price_list() -> None:
    used = usage(plain=1_000, cached=100_000, written=2_000, output=500)

    assert price("anthropic/claude-sonnet-4-5").cost(used) == nanos_of("0.003") + nanos_of("0.03") + nanos_of(
        "0.0075"
    ) + nanos_of("0.0075")
    assert price("openai/gpt-5-nano").cost(usage(0, 1, 0, 0)) == 5
    assert price("local").cost(used) == 0


def test_what_is_no_whole_nano_dollar_is_rounded_up_once() -> None:
    assert price("anthropic/claude-haiku-5-5").cost(usage(0, 0, 1, 0)) == 125
    assert price("anthropic/claude-fable-5-1").cost(usage(0, 1, 0, 0)) == 250
    odd = Price.model_validate({"input": "0.0125", "output": "0.000001", "dated": "2026-01-01", "source": "x"})
    assert odd.cost(usage(1, 0, 0, 0)) == 13
    assert odd.cost(usage(2, 0, 0, 1)) == 26


def test_a_long_input_makes_all_of_the_call_dearer() -> None:
    haiku = price("anthropic/claude-haiku-5-5")

    assert haiku.cost(usage(100_000, 0, 0, 1_000)) == nanos_of("0.01") + nanos_of("0.0005")
    assert haiku.cost(usage(100_001, 0, 0, 1_000)) == nanos_of("0.0500005") + nanos_of("0.0025")


@given(model=st.sampled_from(sorted(PRICES.known)), parts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_cost_is_exact_and_never_above_its_bound(model: str, parts: tuple[int, int, int, int]) -> None:
    one, used = price(model), usage(*parts)
    rates = one.above if one.above is not None and used.input_tokens > one.above.input_tokens else one
    each = (rates.input, rates.cached, rates.written, rates.output)
    exact = sum(
        (n * Fraction(rate if rate is not None else rates.input) * 1_000 for n, rate in zip(parts, each, strict=True)),
        Fraction(0),
    )

    assert 0 <= one.cost(used) - exact < 1
    assert one.cost(used) <= one.bound(used.input_tokens, used.output_tokens)


@given(model=st.sampled_from(sorted(PRICES.known)), nanos=st.integers(0, 10**10), read=COUNTS)
def test_what_may_be_said_for_some_money_costs_no_more(model: str, nanos: int, read: int) -> None:
    one = price(model)
    said = one.output_for(nanos, read)

    assert said is None or said == 0 or one.bound(read, said) <= nanos
    assert said is None or one.bound(read, said + 1) > nanos


def test_a_version_costs_what_its_model_does() -> None:
    assert PRICES.of("anthropic/claude-sonnet-4-5-20250929") == PRICES.of("anthropic/claude-sonnet-4-5")
    assert PRICES.of("openai/gpt-5-2025-08-07") == PRICES.of("openai/gpt-5")
    assert PRICES.of("local/smollm2") == PRICES.of("local")


def test_a_model_that_nobody_knows_has_no_price() -> None:
    assert PRICES.of("openai/gpt-5-ultra") is None
    assert PRICES.of("mine/gpt-5") is None


def test_a_price_of_ones_own_wins_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["mine/llama"]\ninput = 0.07\noutput = 0.3\ndated = 2026-11-01\nsource = "invoice"\n')

    prices = Prices.load(file)

    mine = prices.of("mine/llama")
    assert mine is not None
    assert (mine.input, mine.source) == (Decimal("0.07"), "invoice")
    assert prices.of("openai/gpt-5") == PRICES.of("openai/gpt-5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["a/b"]\ninput = 1\ndated = 2026-01-01\nsource = "x"', "the price of `a/b` in .*: output: Field required"),
        ('["a/b"]\ninput = -1\noutput = 1\ndated = 2026-01-01\nsource = "x"', "`a/b` in .*: input: "),
        ('["a/b"]\nimput = 1\n', "`a/b` in .*: imput: there is no such word: did you mean `input`"),
        ("[a/b]", "cannot be read: .*Mend the file, or `models.prices`"),
    ],
)
def test_a_bad_file_of_prices_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=said):
        Prices.load(file)


def test_money_is_shown_as_it_is() -> None:
    assert [dollars(nanos) for nanos in (0, 5, 10**9, 1_234_567_890_000_000, -500_000_000)] == [
        "$0.00", "$0.000000005", "$1.00", "$1,234,567.89", "-$0.50",
    ]  # fmt: skip
    assert nanos_of(0.1) == 100_000_000
