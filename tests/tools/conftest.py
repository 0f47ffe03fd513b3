from pathlib import Path

import pytest
from support.tool_calls import Hands
from support.tool_calls import hands as hands_in


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Hands whose workspace has a neighbour: what is outside."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("outside")
    (tmp_path / "workspace").mkdir()
    return hands_in(tmp_path / "workspace")
