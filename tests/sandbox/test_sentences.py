"""What is said of a word that is wrong: the same of a run and of a workspace."""

from typing import Any

import pytest
from pydantic import ValidationError
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.activities.sandbox.workspace import WorkspaceSpec
from resprout.actors.words import sentence


@pytest.mark.parametrize("kind", [SandboxSpec, WorkspaceSpec])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"image": "a b"}, "image: 'a b' is no name of an image: write it as in python:3.12"),
        ({"limits": {"memory": "12"}}, "limits.memory: '12' is not a size: write a number with B, KB, MB or GB"),
        ({"languages": "python"}, "languages: there is no such word: did you mean `language`?"),
    ],
)
def test_a_wrong_word_is_named_with_its_remedy(
    kind: type[SandboxSpec | WorkspaceSpec], words: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        kind.model_validate(words)

    assert sentence(raised.value, kind).startswith(says)
