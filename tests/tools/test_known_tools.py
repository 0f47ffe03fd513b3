"""What looking at tools loads: a command that lists them must not wait for the libraries that they work with."""

import subprocess
import sys

import pytest


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("library", ["temporalio", "ray", "docker", "mcp", "cel", "jsonschema", "pygal", "jinja2"])
def test_who_lists_tools_waits_for_no_library_of_theirs(library: str, listing: set[str]) -> None:
    assert library not in listing


@pytest.fixture(scope="module")
def listing() -> set[str]:
    return loaded_by("from resprout.runtime.known_tools import known_tools; list(known_tools(None))")


def test_the_commands_are_known_without_any_tool() -> None:
    loaded = loaded_by("import resprout.runtime.cli")

    assert "resprout.activities.tools.tool" not in loaded
    assert "resprout.activities.tools.builtin" not in loaded


def test_a_worker_starts_without_what_speaks_mcp() -> None:
    assert "mcp" not in loaded_by("import resprout.runtime.worker")
