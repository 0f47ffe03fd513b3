"""The patterns of `collect`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.sandbox.selection import Selection


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.csv", "a.csv"),
        ("./*.csv", "a.csv"),
        ("out/*", "out/a"),
        ("**/*.csv", "a.csv"),
        ("**/*.csv", "a/b/c.csv"),
        ("a/**", "a/b/c"),
        ("a/**/z", "a/z"),
        (".hidden", ".hidden"),
        (".*", ".hidden"),
        ("**/**/x", "x"),
    ],
)
def test_a_pattern_takes(pattern: str, path: str) -> None:
    assert Selection([pattern]).takes(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.csv", "out/a.csv"),
        ("out/*", "out/a/b"),
        ("*", ".hidden"),
        ("**", "a/.hidden"),
        ("**", ".git/config"),
        ("a", "a/b"),
        ("a/b", "a"),
    ],
)
def test_a_pattern_does_not_take(pattern: str, path: str) -> None:
    assert not Selection([pattern]).takes(path)


names = st.lists(st.sampled_from(["a", "b", ".c"]), min_size=1, max_size=5)
parts = st.lists(st.sampled_from(["a", "*", "**", ".c", "[ab]"]), min_size=1, max_size=5)


@given(parts, names)
def test_what_may_be_taken_beneath_a_directory_is_never_missed(pattern: list[str], path: list[str]) -> None:
    wanted = Selection(["/".join(pattern)])

    if wanted.takes("/".join(path)):
        assert all(wanted.may_take_beneath("/".join(path[:n])) for n in range(1, len(path)))


def test_no_pattern_takes_long() -> None:
    assert not Selection(["/".join(["**", "a"] * 40)]).takes("/".join(["a"] * 39))
