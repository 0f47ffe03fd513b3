"""Tools that read source code and do not run it: `python.check`."""

import ast
import warnings

from pydantic import BaseModel, Field

from ..tool import ToolError, tool
from .code import Code


class Mistake(BaseModel):
    line: int
    column: int
    message: str
    is_error: bool = Field(description="False: it runs, and is most likely not what was meant")


class Checked(BaseModel):
    is_valid: bool
    mistakes: list[Mistake]
    defines: list[str] = Field(description="names of functions and classes at the top level")
    imports: list[str] = Field(description="modules")


@tool("python.check", version="1.0.0", contract="safe-to-retry", tags=("code", "lint", "syntax"))
def check(code: Code) -> Checked:
    """Reads Python source without running it: syntax errors and warnings of the compiler, what it defines, and which
    modules it imports."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tree = ast.parse(code)
            compile(tree, "<code>", "exec", dont_inherit=True)
        except SyntaxError as error:
            mistake = Mistake(line=error.lineno or 1, column=error.offset or 1, message=error.msg, is_error=True)
            return Checked(is_valid=False, mistakes=[mistake], defines=[], imports=[])
        except (ValueError, RecursionError, MemoryError) as error:
            raise ToolError(f"the source cannot be read: {error or 'it is nested too deeply'}.") from None
    warned = [Mistake(line=one.lineno, column=1, message=str(one.message), is_error=False) for one in caught]
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defines = [one.name for one in tree.body if isinstance(one, defined)]
    return Checked(is_valid=True, mistakes=warned, defines=defines, imports=sorted(_imports(tree)))


def _imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            found.update(alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            found.add("." * one.level + (one.module or ""))
    return found


TOOLS = (check,)
