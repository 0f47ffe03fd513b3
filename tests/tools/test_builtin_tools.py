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
    if {"code.run", "net.connect"} & set(manifest.permissions):
        assert manifest.danger != "none"


class Uses(ast.NodeVisitor):
    """Which tools a file of tests uses: `error` where an error is awaited around it, else `effect`."""

    def __init__(self, path: Path) -> None:
        self.found: dict[str, set[str]] = defaultdict(set)
        self._kinds = {"effect"}
        tree = ast.parse(path.read_text())
        self._modules = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == BUILTIN
            for alias in node.names
        }
        # Cases that stand beside the test that tries them.
        self._constants = {
            ast.unparse(target): node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        awaiting = [inner for inner in ast.walk(node) if _awaits_error(inner)]
        within = sum(ast.unparse(inner).count("use(") for inner in awaiting)
        kinds = {"error"} if awaiting else set()
        kinds |= {"effect"} if ast.unparse(node).count("use(") > within else set()
        for decorator in node.decorator_list:
            self._visit_as(kinds, decorator)
            for name in ast.walk(decorator):
                if isinstance(name, ast.Name) and name.id in self._constants:
                    self._visit_as(kinds, self._constants[name.id])
        for inner in node.body:
            self.visit(inner)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        """Of itself a constant tries nothing."""
        if ast.unparse(node.targets[0]) not in self._constants:
            self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        self._visit_as({"error"} if _awaits_error(node) else self._kinds, *node.body)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self._modules:
            named = getattr(import_module(self._modules[node.value.id]), node.attr)
            if isinstance(named, Tool):
                self.found[named.name] |= self._kinds
        self.generic_visit(node)

    def _visit_as(self, kinds: set[str], *nodes: ast.AST) -> None:
        outer, self._kinds = self._kinds, kinds
        for node in nodes:
            self.visit(node)
        self._kinds = outer


def _awaits_error(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and "pytest.raises" in ast.unparse(node.items[0])


def test_each_tool_has_a_test_of_its_effect_and_one_of_its_errors() -> None:
    tested: dict[str, set[str]] = defaultdict(set)
    for path in sorted(HERE.glob("test_*.py")):
        for name, kinds in Uses(path).found.items():
            tested[name] |= kinds

    missing = [f"{one.name}: {kind}" for one in ALL for kind in ("effect", "error") if kind not in tested[one.name]]
    assert not missing
