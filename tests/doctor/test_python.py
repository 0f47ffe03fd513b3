from importlib import metadata
from pathlib import Path

import pytest
from resprout.runtime.doctor import embedded, python
from resprout.runtime.settings import PostgresSettings, Settings, TemporalSettings


def test_a_package_outside_its_range_is_named_with_what_was_wanted() -> None:
    installed = metadata.version("ray")

    assert python.unmet(["ray~=1.0"]) == [f"ray is {installed}, wanted ~=1.0"]


def test_a_missing_package_is_named_but_not_one_of_an_extra() -> None:
    wrong = python.unmet(["no-such-package>=1", 'no-such-extra>=1; extra == "embedded"'])

    assert wrong == ["no-such-package is missing, wanted >=1"]


def test_the_embedded_servers_are_found_where_they_would_be_started(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    findings = embedded.check(Settings(data_dir=tmp_path))

    assert [finding.name for finding in findings] == ["embedded Postgres", "embedded Temporal"]
    assert [finding.level for finding in findings] == ["ok", "ok"]


def test_a_missing_temporal_is_a_failure_only_where_none_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    elsewhere = PostgresSettings.model_validate({"dsn": "postgresql://elsewhere/d"})

    (needed,) = embedded.check(Settings(data_dir=tmp_path, postgres=elsewhere))
    (spared,) = embedded.check(
        Settings(data_dir=tmp_path, postgres=elsewhere, temporal=TemporalSettings(address="elsewhere:7233"))
    )

    assert needed.level == "failure"
    assert needed.remedy == "Say `pip install 'resprout[embedded]'`, or set `temporal.address`."
    assert spared.level == "ok"
