"""Which runtime of the engine gives an isolation, and what it must be told for a run that reaches the network.

gVisor opens no socket of the host unless its runtime is told to, and the way to the gate is one. `open` lets code
connect to sockets that lie in the container's own files: the gate's, in its read-only directory, is the only one there.
"""

from collections.abc import Mapping
from typing import Any

from ..spec import Isolation, SandboxSpec

RUNTIMES: dict[Isolation, str] = {"container": "runc", "gvisor": "runsc"}
OPENS_SOCKETS = ("host-uds=open", "host-uds=all", "fsgofer-host-uds")  # behind one dash or two; the last is older


def refusal(spec: SandboxSpec, isolation: Isolation, runtimes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """`runtimes` are those of the engine, as it tells of them."""
    name = RUNTIMES[isolation]
    if name not in runtimes:
        return f"The Docker engine has no runtime `{name}`: install gVisor, or write `container`."
    told = runtimes[name].get("runtimeArgs") or ()
    if isolation == "gvisor" and spec.net != "none" and not any(word.lstrip("-") in OPENS_SOCKETS for word in told):
        return (
            "gVisor opens no way to the network here: add `--host-uds=open` to the `runtimeArgs` of `runsc` in the "
            "engine's daemon.json, or write `container`."
        )
    return None
