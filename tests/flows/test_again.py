"""What a run that is retried or forked takes over from the one before."""

from typing import Any

import pytest
from resprout.actors.errors import NotFound, Rejected
from resprout.workflows.flow import Flow, check
from resprout.workflows.interpreter.again import kept_for_fork, kept_for_retry, with_outputs
from resprout.workflows.interpreter.run_input import Finished

DONE = Finished(status="completed", output=1)
SKIPPED = Finished(status="skipped")
FAILED = Finished(status="failed", error={"type": "T", "message": "m", "task": "t"})


def task(id: str, **words: Any) -> dict[str, Any]:  # noqa: A002 - as in a flow
    return {"id": id, "agent": "greeter/a", "ask": "greeter.greet", **words}


def block(id: str, word: str, spec: Any, **words: Any) -> dict[str, Any]:  # noqa: A002
    return {"id": id, word: spec, **words}


def flow_of(*tasks: dict[str, Any]) -> Flow:
    reading = check({"flow": {"name": "f"}, "tasks": list(tasks)}, "f")
    assert reading.flow is not None, reading.problems
    return reading.flow


def done(*keys: str) -> dict[str, Finished]:
    return dict.fromkeys(keys, DONE)


LINE = flow_of(task("a"), task("b"), task("c"))
GRAPH = flow_of(
    block("all", "parallel", [task("a"), task("b"), task("c", needs=["a"]), task("d", needs=["c", "b"])]),
    task("end"),
)
NESTED = flow_of(task("a"), block("s", "sequential", [task("b"), task("c"), task("d")]), task("e"))
LOOP = flow_of(block("pages", "loop", {"over": [1, 2, 3], "do": [task("fetch"), task("store")]}), task("end"))
MAP = flow_of(block("pages", "loop", {"over": [1, 2, 3], "max_parallel": 3, "do": [task("fetch"), task("store")]}))
TRY = flow_of(
    {"id": "t", "try": [task("a"), task("b")], "catch": [task("c"), task("d")], "finally": [task("f")]}, task("e")
)
SAGA = flow_of(task("book", compensate=[task("unbook")]), task("note"), task("pay"))


def test_a_retry_keeps_what_was_completed_or_skipped() -> None:
    kept = kept_for_retry(LINE, {"a": DONE, "b": SKIPPED, "c": FAILED}, ["a", "b", "c"])

    assert kept == {"a": DONE, "b": SKIPPED}


def test_a_retry_goes_into_the_block_whose_task_failed() -> None:
    story = {**done("a", "b"), "c": FAILED, "s": FAILED}

    assert set(kept_for_retry(NESTED, story, story)) == {"a", "b"}


def test_a_block_that_failed_by_itself_is_done_again_as_a_whole() -> None:
    assert set(kept_for_retry(NESTED, {**done("a", "b", "c", "d"), "s": FAILED}, [])) == {"a"}


def test_what_was_in_flight_is_done_again_and_its_finished_siblings_are_not() -> None:
    assert set(kept_for_retry(GRAPH, {**done("a"), "b": FAILED, "all": FAILED}, ["all", "a", "b", "c"])) == {"a"}


def test_finally_and_catch_are_done_again_after_what_they_watch() -> None:
    story = {**done("a", "c", "f"), "b": FAILED, "d": FAILED, "t": FAILED}

    assert set(kept_for_retry(TRY, story, story)) == {"a"}


def test_a_failure_inside_a_block_that_ended_well_stands() -> None:
    story = {**done("a", "c", "d", "f", "t"), "b": FAILED, "e": FAILED}

    assert set(kept_for_retry(TRY, story, story)) == {"a", "b", "c", "d", "f", "t"}


def test_what_was_undone_is_done_again_with_all_that_came_after_it() -> None:
    assert kept_for_retry(SAGA, {**done("book", "note", "unbook"), "pay": FAILED}, []) == {}


def test_what_began_to_be_undone_counts_as_undone() -> None:
    assert kept_for_retry(SAGA, {**done("book", "note"), "pay": FAILED}, ["unbook"]) == {}


def test_what_was_undone_inside_a_block_that_ended_well_is_done_again_with_the_block() -> None:
    flow = flow_of(block("s", "sequential", [task("a"), task("b", compensate=[task("undo")])]), task("c"))

    assert set(kept_for_retry(flow, {**done("a", "b", "s", "undo"), "c": FAILED}, [])) == {"a"}


def test_what_was_undone_in_a_round_is_done_again_and_the_other_rounds_are_not() -> None:
    do = [task("a"), task("b", compensate=[task("undo")])]
    flow = flow_of(block("lp", "loop", {"over": [1, 2], "max_parallel": 2, "do": do}), task("c"))
    story = {**done("lp[0].a", "lp[0].b", "lp[0]", "lp[0].undo", "lp[1]", "lp"), "c": FAILED}

    assert set(kept_for_retry(flow, story, [])) == {"lp[0].a", "lp[1]"}


def test_what_a_try_undid_before_its_catch_stays_undone() -> None:
    tried = [task("a", compensate=[task("undo")]), task("b")]
    flow = flow_of({"id": "t", "try": tried, "catch": [task("c")]}, task("e"))
    story = {**done("a", "undo", "c", "t"), "b": FAILED, "e": FAILED}

    assert set(kept_for_retry(flow, story, [])) == {"a", "undo", "b", "c", "t"}


def test_what_a_try_did_that_ended_well_and_was_undone_later_is_done_again() -> None:
    tried = [task("a", compensate=[task("undo")]), task("b")]
    flow = flow_of({"id": "t", "try": tried, "catch": [task("c")]}, task("e"))

    assert kept_for_retry(flow, {**done("a", "b", "t", "undo"), "e": FAILED}, []) == {}


def test_what_a_cancelled_try_undid_stays_undone_when_the_block_around_it_ended_well() -> None:
    loser = {"id": "t", "try": [task("a", compensate=[task("undo")]), task("b")], "catch": [task("c")]}
    flow = flow_of(block("race", "parallel", {"wait": "any", "tasks": [loser, task("d")]}), task("e"))
    story = {**done("a", "undo", "d", "race"), "e": FAILED}

    assert set(kept_for_retry(flow, story, ["t", "b"])) == {"a", "undo", "d", "race"}


def test_rounds_that_ended_are_kept_and_the_failed_round_goes_on_from_its_failed_task() -> None:
    story = {**done("pages[0]", "pages[1]", "pages[2].fetch"), "pages[2].store": FAILED, "pages": FAILED}

    assert set(kept_for_retry(LOOP, story, story)) == {"pages[0]", "pages[1]", "pages[2].fetch"}


def test_rounds_side_by_side_do_not_wait_for_each_other() -> None:
    story = {**done("pages[0]", "pages[2]", "pages[1].fetch"), "pages[1].store": FAILED, "pages": FAILED}

    assert set(kept_for_retry(MAP, story, story)) == {"pages[0]", "pages[2]", "pages[1].fetch"}


@pytest.mark.parametrize(
    ("flow", "story", "start", "kept"),
    [
        (LINE, ("a", "b", "c"), "b", {"a"}),
        (LINE, ("a", "b", "c"), "a", set()),
        (NESTED, ("a", "b", "c", "d", "s", "e"), "c", {"a", "b"}),
        (NESTED, ("a", "b", "c", "d", "s", "e"), "s", {"a"}),
        (NESTED, ("a", "b", "c", "d", "s", "e"), "e", {"a", "b", "c", "d", "s"}),
        (GRAPH, ("a", "b", "c", "d", "all", "end"), "a", {"b"}),
        (GRAPH, ("a", "b", "c", "d", "all", "end"), "b", {"a", "c"}),
        (TRY, ("a", "b", "f", "t", "e"), "b", {"a"}),
        (TRY, ("a", "b", "f", "t", "e"), "f", {"a", "b"}),
        (LOOP, ("pages", "end"), "pages", set()),
        (LOOP, ("pages[0]", "pages[1]", "pages[2].fetch"), "pages[1].store", {"pages[0]"}),
        (LOOP, ("pages[0]", "pages[1]", "pages[2].fetch"), "pages[2]", {"pages[0]", "pages[1]"}),
        (MAP, ("pages[0]", "pages[1]", "pages[2].fetch"), "pages[1]", {"pages[0]", "pages[2].fetch"}),
    ],
)
def test_a_fork_does_a_task_again_and_all_that_comes_after_it(
    flow: Flow, story: tuple[str, ...], start: str, kept: set[str]
) -> None:
    assert set(kept_for_fork(flow, done(*story), story, start)) == kept


def test_a_fork_from_catch_keeps_the_failure_that_led_there() -> None:
    story = {**done("a", "c", "d", "f", "t", "e"), "b": FAILED}

    assert set(kept_for_fork(TRY, story, story, "d")) == {"a", "b", "c"}


def test_a_fork_does_not_keep_failures_that_nothing_has_caught() -> None:
    assert set(kept_for_fork(LINE, {**done("a"), "b": FAILED}, [], "c")) == {"a"}


def test_a_given_output_stands_for_the_task_and_the_blocks_around_it_are_gone_through_again() -> None:
    changed = with_outputs(NESTED, done("a", "b", "s"), {"c": {"x": 1}})

    assert set(changed) == {"a", "b", "c"}
    assert changed["c"] == Finished(status="completed", output={"x": 1})


@pytest.mark.parametrize(
    ("flow", "start", "said"),
    [
        (LINE, "d", "the flow has no task `d`: its tasks are a, b, c"),
        (NESTED, "ss", "did you mean `s`?"),
        (LOOP, "fetch", r"name the round, too, as in pages\[0\].fetch"),
        (LOOP, "end[2]", "write `end`"),
        (SAGA, "unbook", "only undoes a task"),
        (LINE, "", "has no task ``"),
    ],
)
def test_a_fork_from_nowhere_is_refused_in_a_sentence(flow: Flow, start: str, said: str) -> None:
    with pytest.raises((NotFound, Rejected), match=said):
        kept_for_fork(flow, {}, [], start)


def test_keys_that_are_not_of_this_flow_are_dropped() -> None:
    assert set(kept_for_retry(LINE, done("a", "zz", "a[1]", "b.c"), ["?"])) == {"a"}
