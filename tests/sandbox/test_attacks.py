"""The attack suite: each backend, each attack. The list is `attacks.py`."""

from uuid import uuid4

import pytest
from resprout.activities.sandbox.backend import Job
from resprout.activities.sandbox.spec import SandboxLimits, SandboxSpec
from sandbox.attacks import Attack, attacks
from sandbox.conftest import Host, Tested

ALL = list(attacks())


def test_there_are_more_than_forty_attacks() -> None:
    assert len({attack.name for attack in ALL}) == len(ALL) > 40


@pytest.mark.parametrize("attack", ALL, ids=[attack.name for attack in ALL])
async def test_the_sandbox_holds_against_code_that(attack: Attack, backend: Tested, host: Host) -> None:
    limits = SandboxLimits.model_validate({"time": "10s", **dict(attack.limits)})
    spec = SandboxSpec(language=attack.language, code=attack.source(host.facts), limits=limits, collect=attack.collect)
    key = uuid4().hex

    ending = await backend.backend.run(Job(key, spec, backend.isolation), lambda _stream, _piece: None)
    await backend.backend.forget(key)

    assert ending.ended in attack.ended, ending
    assert b"BROKEN" not in ending.stdout.kept
    assert attack.is_silent or ending.ended != "exit" or b"held" in ending.stdout.kept, ending
    assert ending.stdout.size < 1 << 30
    assert host.is_unharmed()
