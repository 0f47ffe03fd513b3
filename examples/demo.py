"""`make demo`: a workflow asks an agent, its host and its worker are killed in the middle, the answer still comes."""

import json
import os
import shutil
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
    return subprocess.run([*RESPROUT, *words, "--data-dir", str(DATA_DIR)], stdout=subprocess.PIPE, text=True).stdout


def status() -> dict[str, dict[str, Any]]:
    return {service["name"]: service for service in json.loads(resprout("status", "--json"))["services"]}


def kill(what: str, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    print(f"    kill -9 {pid}   # the {what}", flush=True)


def main() -> None:
    resprout("down")  # what a demo that was killed may have left
    shutil.rmtree(DATA_DIR, ignore_errors=True)
    print("1. Starting the stack: Postgres, Temporal, Ray, a host for agents, a worker, a gateway.", flush=True)
    subprocess.run([*RESPROUT, "up", "--detach", "--data-dir", str(DATA_DIR)], check=True)
    try:
        print(f"\n2. Running `hello`; the agent thinks for {THINKING_SECONDS} s. Meanwhile:", flush=True)
        began = time.monotonic()
        run = subprocess.Popen(
            [
                *RESPROUT,
                "run",
                "hello",
                "--json",
                "-i",
                f"think_seconds={THINKING_SECONDS}",
                "--data-dir",
                str(DATA_DIR),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(THINKING_SECONDS / 2)  # into the middle of the agent's thinking
        services = status()
        kill("host, in which the agent lives", services["hosts"]["instances"][0]["pid"])
        kill("worker, which runs the workflow", services["worker"]["pid"])
        output, _ = run.communicate(timeout=120)
        answer = json.loads(output) if run.returncode == 0 else {}
        if answer.get("result", {}).get("times") != 1:
            sys.exit(f"the run did not end as it must, with one greeting: {output}. Please report this.")
        print(f"   {answer['result']['greeting']}   (after {time.monotonic() - began:.1f} s, greeted exactly once)")
        print(f"   In the Temporal UI, while the stack is up: {answer['url']}", flush=True)
    finally:
        print("\n3. Stopping.", flush=True)
        print("   " + resprout("down").strip())


if __name__ == "__main__":
    main()
