"""The JSON Schema that editors use agrees with the reader."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from resprout.runtime.cli.flow_new import Template, starter
from resprout.workflows.flow.json_schema import json_schema
from resprout.workflows.flow.model import TASK_WORDS
from resprout.workflows.flow.yaml_text import from_yaml

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
VALIDATOR = Draft202012Validator(json_schema())
EXAMPLES = sorted([*(FOLDER / "good").glob("*.flow.yaml"), *(ROOT / "examples").rglob("*.flow.yaml")])
SIGNS = ("unknown word", "is no kind of task", "must be a text", "must be a mapping", "must be a whole", "is one of")
WRONG = [
    file
    for file in sorted((FOLDER / "malformed").glob("[!yi]*.flow.yaml"))
    if any(sign in file.read_text().splitlines()[1] for sign in SIGNS)
]


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs" / "flow.schema.json").read_text())

    assert published == json_schema(), "run `resprout flow schema -o docs/flow.schema.json`"


def test_every_word_says_what_it_is_for() -> None:
    definitions = json_schema()["$defs"]

    for name, definition in definitions.items():
        for word, schema in definition.get("properties", {}).items():
            assert schema.get("description"), f"{name}.{word}"
    assert set(TASK_WORDS) <= {word for definition in definitions.values() for word in definition.get("properties", {})}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_a_good_file_fits_the_schema(file: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(from_yaml(file.read_text(), file.name).document)] == []


@pytest.mark.parametrize("template", list(Template))
def test_what_new_writes_fits_the_schema(template: Template) -> None:
    assert VALIDATOR.is_valid(from_yaml(starter("demo", template), "demo.flow.yaml").document)


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.name)
def test_a_file_with_wrong_words_or_types_does_not_fit_the_schema(file: Path) -> None:
    assert not VALIDATOR.is_valid(from_yaml(file.read_text(), file.name).document)
