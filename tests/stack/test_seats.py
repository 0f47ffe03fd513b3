import pytest
from resprout.actors.agent import DedicatedHosts
from resprout.runtime.hosts import _needs


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (DedicatedHosts(), ""),
        (DedicatedHosts(gpus=4), "4 GPUs"),
        (
            DedicatedHosts(cpus=0.5, memory_bytes=1 << 30, resources={"tpu": 1}),
            "0.5 CPUs, 1,073,741,824 bytes of memory, 1 tpu",
        ),
    ],
)
def test_what_a_host_waits_for_is_said(hosts: DedicatedHosts, said: str) -> None:
    assert _needs(hosts) == said
