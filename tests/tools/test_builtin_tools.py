"""What holds for every built-in tool."""

import ast
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.tool import Tool
from tools import reference_page

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "tools-reference.md"
BUILTIN = "resprout.activities.tools.builtin"
PURE = {"text", "json", "csv", "yaml", "toml", "math", "encoding", "markdown", "time"}


def test_names_are_taken_once() -> None:
    assert len({one.name for one in ALL}) == len(ALL) >= 50


def test_the_page_on_tools_is_the_one_that_is_generated() -> None:
    assert PAGE.read_text() == reference_page.page(), (
        "run: python tests/tools/reference_page.py > docs/tools-reference.md"
    )


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_manifest_says_what_a_model_must_know(one: Tool) -> None:
    manifest = one.manifest

    Draft202012Validator.check_schema(manifest.input)
    Draft202012Validator.check_schema(manifest.output)
    assert manifest.description.endswith(".")
    if manifest.family in PURE:
        assert not manifest.permissions
        assert manifest.danger == "none"
    if {"files.write", "code.run", "net.connect"} & set(manifest.permissions):
        assert manifest.danger != "none"


def _uses(path: Path) -> dict[str, set[str]]:
    """Which tools a file of tests uses: `error` where an error is awaited around it, else `effect`."""
    tree = ast.parse(path.read_text())
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == BUILTIN
        for alias in node.names
    }
    found: dict[str, set[str]] = defaultdict(set)

    def look(node: ast.AST, kind: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:  # its cases are what its body does with them
                look(decorator, "error" if "pytest.raises" in ast.unparse(node) else "effect")
            for inner in node.body:
                look(inner, "effect")
            return
        if isinstance(node, ast.With | ast.AsyncWith) and "pytest.raises" in ast.unparse(node.items[0]):
            kind = "error"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            named = getattr(import_module(modules[node.value.id]), node.attr)
            if isinstance(named, Tool):
                found[named.name].add(kind)
        for inner in ast.iter_child_nodes(node):
            look(inner, kind)

    look(tree, "effect")
    return found


def test_each_tool_has_a_test_of_its_effect_and_one_of_its_errors() -> None:
    tested: dict[str, set[str]] = defaultdict(set)
    for path in sorted(HERE.glob("test_*.py")):
        for name, kinds in _uses(path).items():
            tested[name] |= kinds

    missing = [f"{one.name}: {kind}" for one in ALL for kind in ("effect", "error") if kind not in tested[one.name]]
    assert not missing
