"""Who a workspace belongs to is what the kernel says, not what a variable says."""

import os

import pytest
from resprout.runtime.sandboxes import owner


def test_a_variable_makes_nobody_another_owner_and_a_user_without_a_name_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = owner()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "ada")
    named = owner()
    monkeypatch.setattr(os, "geteuid", lambda: 123_456)

    assert named == before
    assert owner() == before.replace(f"{before.partition('@')[0]}@", "123456@")
