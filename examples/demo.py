"""`make demo`: a workflow asks an agent, its host and its worker are killed in the middle, the answer still comes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESPROUT = [sys.executable, "-m", "resprout.runtime.cli"]
DATA_DIR = Path(__file__).resolve().parent.parent / ".resprout" / "demo"
THINKING_SECONDS = 6


def resprout(*words: str) -> str:
    command = [*RESPROUT, *words, "--data-dir", str(DATA_DIR)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def status() -> dict[str, dict[str, Any]]:
    report = subprocess.run(
        [*RESPROUT, "status", "--json", "--data-dir", str(DATA_DIR)], check=False, stdout=subprocess.PIPE, text=True
    )
    return {service["name"]: service for service in json.loads(report.stdout)["services"]}


def kill(what: str, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    print(f"    kill -9 {pid}   # the {what}", flush=True)


def main() -> None:
    print("1. Starting the stack: Postgres, Temporal, Ray, a host for agents, a worker, a gateway.", flush=True)
    subprocess.run([*RESPROUT, "up", "--detach", "--data-dir", str(DATA_DIR)], check=True)
    try:
        print(f"\n2. Running `hello`; the agent thinks for {THINKING_SECONDS} s. Meanwhile:", flush=True)
        began = time.monotonic()
        run = subprocess.Popen(
            [*RESPROUT, "run", "hello", "-i", f"think_seconds={THINKING_SECONDS}", "--data-dir", str(DATA_DIR)]
        )
        time.sleep(THINKING_SECONDS / 2)  # into the middle of the agent's thinking
        services = status()
        kill("host, in which the agent lives", services["hosts"]["instances"][0]["pid"])
        kill("worker, which runs the workflow", services["worker"]["pid"])
        if run.wait(timeout=120) != 0:
            sys.exit("the run did not finish: that is a bug, please report it")
        print(f"   It took {time.monotonic() - began:.1f} s, and the agent greeted once.", flush=True)
    finally:
        print("\n3. Stopping.", flush=True)
        print("   " + resprout("down").strip())


if __name__ == "__main__":
    main()
