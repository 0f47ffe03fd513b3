import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"actors", "activities", "memory", "runtime", "workflows"}


@pytest.fixture(scope="module")
def names(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a wheel holds."""
    out = tmp_path_factory.mktemp("wheel")
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        return [name for name in wheel.namelist() if ".dist-info/" not in name]


def test_the_wheel_holds_the_rooms_and_the_type_marker_and_nothing_else(names: list[str]) -> None:
    top = {name.split("/")[1] for name in names}

    assert all(name.startswith("resprout/") for name in names)
    assert top == ROOMS | {"deploy", "__init__.py", "py.typed"}
    deployed = {name.split("/")[2] for name in names if name.startswith("resprout/deploy/")}
    assert deployed == {"policy", "roles", "teams"}  # they are read from there


def test_the_wheel_holds_every_module_script_and_table_of_the_rooms(names: list[str]) -> None:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.suffix in (".py", ".sql", ".sh", ".json", ".toml"):
                assert f"resprout/{path.relative_to(ROOT)}" in names


def test_the_wheel_holds_every_role_and_every_team(names: list[str]) -> None:
    for path in (*(ROOT / "deploy" / "roles").iterdir(), *(ROOT / "deploy" / "teams").iterdir()):
        assert f"resprout/{path.relative_to(ROOT)}" in names
