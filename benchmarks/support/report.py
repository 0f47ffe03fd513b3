"""The one shape in which every benchmark reports."""

import json
import os
import platform
import sys
from typing import Any

import structlog


def measure(
    value: float, unit: str, target: str = "", *, ok: bool = True, baseline: float | None = None
) -> dict[str, Any]:
    return {
        "value": round(value, 3),
        "unit": unit,
        "baseline": round(baseline, 3) if baseline is not None else None,
        "ratio": round(value / baseline, 3) if baseline else None,
        "target": target,
        "ok": ok,
    }


def keep_stdout() -> None:
    """Standard output is for the report; what our parts log goes beside it."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def print_report(benchmark: str, measures: dict[str, Any], *, as_json: bool) -> None:
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    if as_json:
        print(json.dumps({"benchmark": benchmark, "machine": machine, "measures": measures}))
        return
    for name, found in measures.items():
        beside = f", {found['ratio']}x of {found['baseline']}" if found["baseline"] is not None else ""
        target = f" (target: {found['target']}{'' if found['ok'] else ', NOT MET'})" if found["target"] else ""
        print(f"{name}: {found['value']} {found['unit']}{beside}{target}")
