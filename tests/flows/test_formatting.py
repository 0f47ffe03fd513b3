"""Formatting moves words and keeps what a person wrote."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resprout.runtime.cli.flow_new import Template, starter
from resprout.workflows.flow.formatting import formatted
from resprout.workflows.flow.yaml_text import from_yaml

FOLDER = Path(__file__).parent
GOOD = sorted((FOLDER / "good").glob("*.flow.yaml"))

UGLY = """\
# first of all


tasks:
# about hello
- ask: greeter.greet   # why
  # the agent
  agent: alice

  id: hello
  with:
      b: 1
      # about a
      a: |
        text
          more

        # not a comment
- parallel:
      on_error: collect
      tasks:
          - {ask: a.c, agent: alice}
      # after the tasks
  id: par

# about the flow
flow:
    version: '1'
    name: "ugly"   # name
agents:
  alice: {labels: {b: x, a: y},
          kind: greeter}
# last of all
"""
TIDY = """\
# first of all

# about the flow
flow:
  name: "ugly"   # name
  version: '1'
agents:
  alice: {labels: {b: x, a: y},
          kind: greeter}
tasks:
  # about hello
  - id: hello
    # the agent
    agent: alice
    ask: greeter.greet   # why
    with:
      b: 1
      # about a
      a: |
        text
          more

        # not a comment
  - id: par
    parallel:
      tasks:
        - {ask: a.c, agent: alice}
      on_error: collect
        # after the tasks
# last of all
"""


def test_words_are_ordered_and_comments_stay_with_them() -> None:
    assert formatted(UGLY, "ugly.flow.yaml") == TIDY


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_formatting_twice_changes_nothing_more(file: Path) -> None:
    once = formatted(file.read_text(), file.name)

    assert formatted(once, file.name) == once
    assert from_yaml(once, file.name).document == from_yaml(file.read_text(), file.name).document


@pytest.mark.parametrize("template", list(Template))
def test_what_new_writes_is_formatted(template: Template) -> None:
    text = starter("demo", template)

    assert formatted(text, "demo.flow.yaml") == text


def test_what_is_no_yaml_stays_as_it_is() -> None:
    assert formatted("tasks: [", "x.flow.yaml") == "tasks: ["


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_comment_is_lost_and_nothing_else_is_said(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from([UGLY, *(file.read_text() for file in GOOD)])).splitlines()
    for number in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(lines)))
        indent = " " * data.draw(st.integers(0, 10))
        lines.insert(at, data.draw(st.sampled_from([f"{indent}# note {number}", ""])))
    text = "\n".join(lines) + "\n"

    once = formatted(text, "noted.flow.yaml")

    assert formatted(once, "noted.flow.yaml") == once
    assert from_yaml(once, "noted.flow.yaml").document == from_yaml(text, "noted.flow.yaml").document
    assert sorted(_comments(once)) == sorted(_comments(text))


def _comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]
