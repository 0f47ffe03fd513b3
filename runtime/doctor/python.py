"""The interpreter and the packages: are they those that this version of Resprout was made for?"""

import platform
import sys
from importlib import metadata

from packaging.requirements import Requirement

from .finding import Finding, failure, ok

SHOWN = ("resprout", "ray", "temporalio", "asyncpg", "pydantic")


def check() -> list[Finding]:
    return [_interpreter(), _packages()]


def _interpreter() -> Finding:
    found = f"Python {platform.python_version()}, {platform.machine()}"
    if not (3, 11) <= sys.version_info < (3, 14) or sys.maxsize < 2**32:
        return failure("python", found, "Use a 64-bit Python 3.11, 3.12 or 3.13.")
    return ok("python", found)


def _packages() -> Finding:
    wrong = unmet(metadata.requires("resprout") or [])
    if wrong:
        return failure("packages", "; ".join(wrong), "Say `pip install --upgrade resprout`.")
    return ok("packages", ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN))


def unmet(requirements: list[str]) -> list[str]:
    """Those that the installed packages do not fulfil, as sentences; the ones of extras are not asked for here."""
    wrong = []
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing, wanted {requirement.specifier}")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, wanted {requirement.specifier}")
    return wrong
