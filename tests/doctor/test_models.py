from pathlib import Path

from resprout.runtime.doctor import models
from resprout.runtime.model_settings import ModelsSettings
from resprout.runtime.settings import Settings


def levels(**given: object) -> dict[str, str]:
    found = models.check(Settings(models=ModelsSettings.model_validate(given)))
    return {finding.name: finding.level for finding in found}


def test_what_ships_can_be_used() -> None:
    assert levels() == {"models": "ok", "prices": "ok"}


def test_a_default_of_a_provider_that_there_is_not_is_a_failure() -> None:
    assert levels(default="local,nope/x") == {"models": "failure", "prices": "ok"}


def test_prices_that_cannot_be_read_are_a_failure_that_says_what_a_price_has(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["house/able-1"]\ninput = 1\noutput = 2\n')

    _, prices = models.check(Settings(models=ModelsSettings(prices=file)))

    assert prices.level == "failure"
    assert "dated: Field required; source: Field required" in prices.found
    assert levels(prices=tmp_path / "missing.toml")["prices"] == "failure"
