"""The page on attacks, as it must be: `python tests/sandbox/attack_page.py > docs/sandbox-attacks.md`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sandbox.attacks import attacks

HEAD = """\
# What sandboxes were attacked with

Each line is a program that `make test` runs in each isolation (`tests/sandbox/attacks.py`), on a host with a secret
in a file, in an environment and on a command line, and with services on its loopback and its address. *held*: it was
refused, or the run was ended for it, within its limits, and the host was unharmed. *own kernel*: under gVisor it gets
something, of a kernel that is this sandbox's own.

Result files that were made to do harm (links, hard links, pipes, sparse and endless ones, names that cannot be shown)
are tried in `tests/sandbox/test_collecting.py` and `test_docker_runs.py`; the gate to the network in
`test_egress_attacks.py`.

The `container` and `gvisor` columns need a Docker engine, with runc 1.1 and the `runsc` of 2022 where it was tried; the
`process` column bubblewrap 0.11 as root lends it a user, with control groups of version 1.

| code that… | process | container | gvisor |
| --- | --- | --- | --- |
"""


def page() -> str:
    rows = (
        f"| {attack.name} | held | held | {'own kernel' if attack.is_harmless_in_gvisor else 'held'} |"
        for attack in attacks()
    )
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
