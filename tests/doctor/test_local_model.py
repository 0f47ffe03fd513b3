from dataclasses import replace
from pathlib import Path

import pytest
from resprout.runtime.doctor import local_model
from resprout.runtime.model_settings import LocalModelSettings, ModelsSettings
from resprout.runtime.settings import Settings
from support.local_server import bundled


def settings(**given: object) -> Settings:
    return Settings(models=ModelsSettings(local=LocalModelSettings(**given)))


def test_the_bundled_model_is_found_with_what_it_takes() -> None:
    (finding,) = local_model.check(settings())

    assert finding.level == "ok"
    assert "SmolLM2-135M" in finding.found
    assert "2 calls at once of 8192 tokens" in finding.found


def test_too_little_memory_is_a_warning_that_names_what_to_make_smaller() -> None:
    finding = local_model.fits(bundled(), available_bytes=300_000_000)

    assert finding.level == "warning"
    assert "300 MB are available" in finding.found
    assert "models.local.window" in (finding.remedy or "")


def test_a_smaller_window_takes_less_memory() -> None:
    large = bundled()

    assert replace(large, window=large.window // 2).needed_bytes < large.needed_bytes


def test_packages_that_are_missing_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resprout.runtime.doctor.local_model.missing", lambda weights: "the package `x` is missing")

    (finding,) = local_model.check(settings())

    assert finding.level == "warning"
    assert "resprout[embedded]" in (finding.remedy or "")


def test_named_weights_that_are_not_there_are_a_failure(tmp_path: Path) -> None:
    (finding,) = local_model.check(settings(weights=tmp_path / "none.gguf"))

    assert finding.level == "failure"
    assert "none.gguf" in finding.found


def test_one_that_is_served_elsewhere_is_not_looked_for() -> None:
    (finding,) = local_model.check(settings(url="http://127.0.0.1:9"))

    assert finding.found == "served elsewhere: http://127.0.0.1:9 (not asked)"
