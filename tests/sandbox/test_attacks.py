"""The attack suite: each backend, each attack. The list is `attacks.py`."""

from pathlib import Path

import pytest
from resprout.activities.sandbox.spec import SandboxLimits, SandboxSpec
from sandbox.attack_page import page
from sandbox.attacks import Attack, attacks
from sandbox.conftest import Host, Sandboxed

ALL = list(attacks())


def test_there_are_more_than_forty_attacks() -> None:
    assert len({attack.name for attack in ALL}) == len(ALL) > 40


def test_the_page_lists_them() -> None:
    published = (Path(__file__).resolve().parents[2] / "docs" / "sandbox-attacks.md").read_text()

    assert published == page(), "run `python tests/sandbox/attack_page.py > docs/sandbox-attacks.md`"


@pytest.mark.parametrize("attack", ALL, ids=[attack.name for attack in ALL])
async def test_the_sandbox_holds_against_code_that(attack: Attack, sandbox: Sandboxed, host: Host) -> None:
    limits = SandboxLimits.model_validate({"time": "60s", **dict(attack.limits)})
    code = attack.source(host.facts)

    ending = await sandbox.run(SandboxSpec(language=attack.language, code=code, limits=limits, collect=attack.collect))

    assert ending.ended in attack.ended, ending
    is_allowed = attack.is_harmless_in_gvisor and sandbox.isolation == "gvisor"
    assert is_allowed or b"BROKEN" not in ending.stdout.kept, ending
    assert is_allowed or attack.is_silent or ending.ended != "exit" or b"held" in ending.stdout.kept, ending
    assert ending.stdout.size < 1 << 30
    assert host.is_unharmed()
