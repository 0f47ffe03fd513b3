import re

from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.models.tool_names import Spelling, spelled

NAMES = st.text(alphabet="ab_.-@0123456789", min_size=1, max_size=12) | st.text(min_size=1, max_size=200)


@given(st.lists(NAMES, unique=True, max_size=8))
def test_names_are_taken_by_every_provider_and_never_collide(names: list[str]) -> None:
    written = [spelled(name) for name in names]

    assert len(set(written)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in written)
    assert [Spelling(names).read(one) for one in written] == names


def test_a_usual_name_stays_readable() -> None:
    assert spelled("text.count") == "text__count"
    assert spelled("web.fetch_page") == "web__fetch_page"


def test_what_a_model_made_up_is_recognizable() -> None:
    assert Spelling(["text.count"]).read("text__cuont") == "text.cuont"
