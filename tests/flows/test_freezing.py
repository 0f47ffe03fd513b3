"""A flow and its child flows become one frozen document with one hash."""

from pathlib import Path

from resprout.runtime.flow_files import load_child
from resprout.workflows.flow import Freezing, Frozen, check, document, freeze, freeze_document

CHILD = """\
flow: {name: child}
inputs:
  n: {type: integer, default: 2}
  who: {type: string}
tasks:
  - {agent: greeter/x, ask: greeter.greet, with: {name: "${{ inputs.who }}"}}
"""
TOP = "flow: {name: top}\ntasks:\n  - {id: c, flow: parts/child.flow.yaml, with: {who: Ada}}\n"


def frozen(top: str, **files: str) -> Freezing:
    return freeze(top, "top.flow.yaml", lambda path: (files[path], path))


def with_child(top: str, child: str = CHILD) -> Freezing:
    return frozen(top, **{"parts/child.flow.yaml": child})


def said(freezing: Freezing) -> str:
    assert freezing.frozen is None
    return "\n".join(map(str, freezing.problems))


def test_children_are_frozen_with_their_parent_and_survive_json() -> None:
    whole = with_child(TOP).frozen

    assert whole is not None
    assert whole.children["parts/child.flow.yaml"].flow.name == "child"
    assert Frozen.model_validate_json(whole.model_dump_json()) == whole
    assert check(whole.document).flow == whole.flow


def test_the_hash_changes_with_a_child_and_not_with_its_spelling() -> None:
    one, spelled, other = (
        with_child(TOP, child).frozen
        for child in (
            CHILD,
            CHILD.replace("flow: {name: child}", "# x\nflow:\n  name: 'child'"),
            CHILD.replace("2", "3"),
        )
    )

    assert one is not None
    assert spelled is not None
    assert other is not None
    assert one.hash == spelled.hash != other.hash


def test_flows_that_start_each_other_are_refused() -> None:
    top = TOP.replace("parts/", "")
    child = "flow: {name: child}\ntasks:\n  - {flow: ./top.flow.yaml}\n"

    assert "top.flow.yaml → child.flow.yaml → top.flow.yaml" in said(frozen(top, **{"child.flow.yaml": child}))


def test_a_missing_child_is_told_where_it_is_named() -> None:
    assert "top.flow.yaml:3:19: the flow `parts/child.flow.yaml` cannot be read" in said(frozen(TOP))


def test_a_name_that_no_file_can_have_is_told_like_a_missing_one() -> None:
    top = 'flow: {name: top}\ntasks:\n  - flow: "x\\0y.flow.yaml"\n'

    told = said(freeze(top, "top.flow.yaml", load_child))

    assert "top.flow.yaml:3:11: the flow `x\0y.flow.yaml` cannot be read" in told


def test_flows_that_start_the_same_flows_again_and_again_do_not_travel() -> None:
    files = {
        f"f{level}.flow.yaml": f"flow: {{name: f{level}}}\ntasks:\n"
        + "".join(f"  - flow: {'./' * spelling}f{level + 1}.flow.yaml\n" for spelling in range(1, 8))
        for level in range(8)
    }
    files["f8.flow.yaml"] = "flow: {name: f8}\ntasks:\n  - wait: {duration: 1s}\n"

    told = said(freeze(files["f0.flow.yaml"], "f0.flow.yaml", lambda path: (files[path], path)))

    assert "with all the flows that it starts, this one has" in told
    assert "5,000,000 may travel with a run" in told


def test_a_child_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "child.flow.yaml").write_text("\ufeff" + CHILD)

    text, _ = load_child(str(tmp_path / "child.flow.yaml"))

    assert text == CHILD


def test_the_inputs_of_a_child_are_checked() -> None:
    told = said(with_child(TOP.replace("who: Ada", "n: many, whoo: Ada")))

    assert "`child` has no input `whoo`" in told
    assert "did you mean `who`?" in told
    assert 'the input `n` of `child`: "many" is a text, not an integer' in told
    assert "the input `who` of `child` is missing" in told


def test_a_mistake_in_a_child_is_told_with_the_place_in_the_child() -> None:
    assert "parts/child.flow.yaml:6:" in said(with_child(TOP, CHILD.replace("inputs.who", "inputs.whom")))


def test_a_flow_given_as_json_is_frozen_alike() -> None:
    whole = with_child(TOP).frozen
    assert whole is not None

    again = freeze_document(document(whole.flow), lambda path: (CHILD, path))

    assert again.frozen == whole
