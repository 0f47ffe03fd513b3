"""The cases that ship with the rules, against the rules."""

import pytest
from resprout.runtime.policy.cases import SHIPPED_CASES, Case, failure, files, read
from resprout.runtime.policy.rules import load

CASES = [case for path in files([SHIPPED_CASES]) for case in read(path)]


@pytest.mark.parametrize("case", CASES, ids=[case.case for case in CASES])
async def test_policy_decides_as_the_case_says(case: Case) -> None:
    assert await failure(case, load()) is None
