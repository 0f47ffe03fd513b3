"""The program of a benchmark that runs on a stack of its own and asks nothing but how long it may take."""

import argparse
import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach

from .report import keep_stdout, print_report
from .stack import running


class Measures(Protocol):
    def __call__(self, settings: Settings, *, quick: bool) -> Coroutine[Any, Any, dict[str, Any]]: ...


def report_on_stack(benchmark: str, description: str | None, run: Measures) -> None:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_stdout()
    with running() as stack:
        settings = attach(Settings(data_dir=stack.data_dir), "temporal.address", "postgres.dsn")
        measures = asyncio.run(run(settings, quick=arguments.quick))
    print_report(benchmark, measures, as_json=arguments.json)
