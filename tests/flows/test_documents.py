"""A flow is the same as a file, as JSON and as Python objects."""

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from flows.reading import TOP, checked, flow
from resprout.workflows.flow import check, content_hash, document, read
from resprout.workflows.flow.model import Ask, Flow, Loop, LoopSpec, Parallel, ParallelSpec

GOOD = sorted((Path(__file__).parent / "good").glob("*.flow.yaml"))


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_flow_survives_the_way_through_json(file: Path) -> None:
    reading = read(file.read_text(), file.name)
    assert reading.problems == ()
    assert reading.flow is not None

    carried = json.loads(json.dumps(document(reading.flow), allow_nan=False))

    assert checked(carried) == reading.flow
    assert document(checked(carried)) == carried
    assert Flow.model_validate(carried) == reading.flow
    assert pickle.loads(pickle.dumps(reading.flow)) == reading.flow


def test_the_order_of_words_does_not_change_the_hash_and_their_content_does() -> None:
    one = document(flow("  - {id: a, agent: greeter/x, ask: a.b, with: {n: 1, m: 2}}\n"))
    same = document(flow("  - {with: {m: 2, n: 1}, ask: a.b, agent: greeter/x, id: a}\n"))
    other = document(flow("  - {id: a, agent: greeter/x, ask: a.b, with: {n: 1, m: 3}}\n"))

    assert content_hash(one) == content_hash(same) != content_hash(other)


def test_a_task_without_an_id_gets_one_by_its_word_and_place() -> None:
    read_flow = flow(
        "  - {agent: greeter/x, ask: a.b}\n"
        "  - parallel: [{agent: greeter/x, ask: a.b}, {id: ask_3, agent: greeter/x, ask: a.b}]\n"
        "  - {agent: greeter/x, ask: a.b}\n"
    )

    assert [task.id for task in read_flow.every_task()] == ["ask_1", "parallel_1", "ask_2", "ask_3", "ask_4"]


def test_a_flow_can_be_built_in_python() -> None:
    greet = Ask(agent="greeter/ada", ask="greeter.greet")
    built = Flow.named(
        "crew",
        tasks=[
            Ask(id="a", agent="greeter/ada", ask="greeter.greet", with_={"name": "Ada"}),
            Parallel(parallel=ParallelSpec(tasks=(greet, greet), wait=1)),
            Loop(loop=LoopSpec(over=(1, 2), do=(greet,))),
        ],
    )

    same = checked(document(built))

    assert same.name == "crew"
    assert same.tasks[1].id == "parallel_1"
    assert document(same)["tasks"][2]["loop"]["over"] == [1, 2]  # type: ignore[index,call-overload]


def test_a_null_default_is_kept_and_makes_an_input_optional() -> None:
    given = {"flow": {"name": "x"}, "inputs": {"a": {"default": None}, "b": {}}, "tasks": [{"emit": {"topic": "t"}}]}

    read_flow = checked(given)

    assert [name for name, spec in read_flow.inputs.items() if spec.required] == ["b"]
    assert document(read_flow)["inputs"] == given["inputs"]


def test_problems_of_a_document_have_paths() -> None:
    given: dict[str, Any] = {
        "flow": {"name": "x"},
        "tasks": [{"emit": {"topic": "t"}}, {"parallel": [{"agent": "greeter/x", "ask": 1}]}],
    }

    (problem,) = check(given).errors

    assert problem.path == "tasks[1].parallel.tasks[0].ask"
    assert str(problem).startswith("document: tasks[1].parallel.tasks[0].ask: `ask` must be a text")


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    reading = read(
        TOP
        + "  - {id: a, agent: bob, ask: a.b, timeout: soon}\n"
        + "  - {id: b, agent: greeter/x, ask: a.b, wth: 1}\n"
        + "  - {id: a, agent: greeter/x, ask: a.b, if: inputs.limit}\n"
        + "  - {agent: greeter/x, ask: a.b, with: {x: '${{ tasks.c.output }} ${{ tasks.b.output }}'}}\n",
        "crew.flow.yaml",
    )

    assert [problem.line for problem in reading.errors] == [7, 7, 8, 9, 9, 10]


def test_a_document_of_ten_thousand_tasks_is_checked_in_seconds() -> None:
    tasks = [{"id": "t0", "agent": "greeter/x", "ask": "a.b"}]
    tasks += [
        {"id": f"t{n}", "agent": "greeter/x", "ask": "a.b", "with": {"x": f"${{{{ tasks.t{n - 1}.output }}}}"}}  # type: ignore[dict-item]
        for n in range(1, 10_000)
    ]
    start = time.perf_counter()

    reading = check({"flow": {"name": "long"}, "tasks": tasks})

    assert reading.problems == ()
    assert time.perf_counter() - start < 60  # 1.5 s when the machine is idle
