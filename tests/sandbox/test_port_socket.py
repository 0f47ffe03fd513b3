"""The unix socket of a port: its owner's alone, there for as long as it is served, and nobody else's concern."""

import os
from pathlib import Path
from typing import Any, cast

import pytest
from resprout.activities.sandbox.docker.ports import Port


def port() -> Port:
    return Port(cast("Any", None), cast("Any", None), 80)


async def test_the_socket_goes_also_when_who_holds_it_fails(tmp_path: Path) -> None:
    async def fails() -> None:
        async with port().on_socket(tmp_path / "s"):
            raise KeyError

    with pytest.raises(KeyError):
        await fails()

    assert list(tmp_path.iterdir()) == []


async def test_what_the_process_makes_meanwhile_has_its_usual_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(mask: int) -> int:
        raise AssertionError("the mask is of the whole process")

    monkeypatch.setattr(os, "umask", touched)

    async with port().on_socket(tmp_path / "s") as path:
        assert path.stat().st_mode & 0o777 == 0o600


async def test_the_socket_of_who_came_later_stays(tmp_path: Path) -> None:
    async with port().on_socket(tmp_path / "s") as path:
        later = port().on_socket(path)
        async with later:
            path.rename(tmp_path / "kept")
            path.touch()

    assert path.exists()
