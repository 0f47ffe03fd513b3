"""The page on roles says what the rules decide."""

from pathlib import Path

from tools.policy_page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy-matrix.md"


async def test_the_matrix_in_the_docs_is_what_the_rules_decide() -> None:
    regenerated = "python tests/tools/policy_page.py > docs/policy-matrix.md"

    assert await page() == PAGE.read_text(), f"regenerate it: {regenerated}"
