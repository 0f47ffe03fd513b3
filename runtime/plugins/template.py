"""The project that `resprout plugin new` writes: two tools with a test, ready to be installed."""

from pathlib import Path

from ...actors.errors import NotFound, Rejected

PYPROJECT = """\
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "Tools for Resprout."
requires-python = ">=3.11"
dependencies = []

[project.entry-points."resprout.tools"]
{family} = "{module}.tools"

[tool.setuptools]
packages = ["{module}"]
"""

TOOLS = '''\
"""The tools of this plugin: every Tool in this module is one."""

from resprout.activities.tools.tool import tool


@tool("{family}.greet", version="1.0.0", contract="safe-to-retry")
def greet(name: str, excited: bool = False) -> str:
    """Greets somebody by name."""
    return f"Hello, {{name}}{{'!' if excited else '.'}}"
'''

TEST = '''\
"""A tool is called as the pipeline does it: arguments as JSON, checked by its schema."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.tool import BadArguments, Tool, ToolCall
from {module}.tools import greet


def use(tool: Tool, **arguments: Any) -> Any:
    call = ToolCall(key="a-key", tenant="default", principal="user:ada", workspace=Path())
    return asyncio.run(tool.run(call, tool.parse(arguments)))


def test_somebody_is_greeted_by_name() -> None:
    assert use(greet, name="Ada", excited=True) == "Hello, Ada!"


def test_an_argument_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadArguments):
        greet.parse({{"nmae": "Ada"}})
'''

README = """\
# {name}

Tools for Resprout. Try them: `pytest`, then `resprout plugin install . --unsigned` and
`resprout tool call {family}.greet -a name=Ada`.
"""


def write_project(name: str, directory: Path) -> Path:
    module = name.replace("-", "_")
    if not (module.isidentifier() and module.isascii() and name == name.lower()):
        raise Rejected(f"{name!r} is no name of a project: write small letters, digits and dashes, as in my-tools.")
    root = directory / name
    words = {"name": name, "module": module, "family": module.replace("_", "-")}
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"{module}/__init__.py": '"""Tools for Resprout."""\n',
        f"{module}/tools.py": TOOLS,
        "tests/test_tools.py": TEST,
    }
    try:
        root.mkdir()
        for path, text in files.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(text.format(**words))
    except FileExistsError:
        raise Rejected(f"{root} is there already: choose another name, or remove it.") from None
    except OSError as error:
        raise NotFound(f"{root} cannot be written: {error.strerror}.") from None
    return root
