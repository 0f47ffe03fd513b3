"""Finds our subpackages. Everything else about the build is in pyproject.toml.

The repository root is the package `resprout`, so the folders that hold rooms are found and prefixed here, and
the root's own modules are cut down to `__init__`: this script must not land in the wheel.
"""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOMS = ["runtime", "workflows", "activities", "memory", "actors"]


class BuildRooms(build_py):
    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [m for m in modules if package != "resprout" or m[1] == "__init__"]


found = find_packages(include=[*ROOMS, *(f"{room}.*" for room in ROOMS)])
setup(packages=["resprout", *(f"resprout.{name}" for name in found)], cmdclass={"build_py": BuildRooms})
