"""The engine of expressions, CEL, without its command line: that loads a terminal's worth of modules, a tenth of a
second of each command of ours that reads a flow."""

import sys
from types import ModuleType

_CLI = "cel.cli"

_absent = _CLI not in sys.modules
if _absent:
    sys.modules[_CLI] = ModuleType(_CLI)

import cel  # noqa: E402 - only now
from cel import stdlib  # noqa: E402

if _absent:
    del sys.modules[_CLI], cel.cli  # whoever wants it gets the real one

__all__ = ["cel", "stdlib"]
