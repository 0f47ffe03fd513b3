import json

from support.collector import Collector, Span
from support.stack import Stack, eventually


def test_a_run_is_one_trace_from_the_cli_to_the_sql(stack: Stack, collector: Collector) -> None:
    wanted = {"resprout run hello", "RunActivity:agent.ask", "agent.call", "handle greeter.greet", "sql.commit_turns"}

    def complete(spans: list[Span]) -> bool:
        by_trace: dict[str, set[str]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, set()).add(span.name)
        return any(wanted <= names and "resprout run hello" in names for names in by_trace.values())

    stack.hello(name="traced")

    spans = collector.wait_for(complete)
    trace = next(span.trace_id for span in spans if span.name == "resprout run hello")
    mine = {span.span_id: span for span in spans if span.trace_id == trace}
    roots = [span for span in mine.values() if span.parent_id not in mine]
    assert [root.name for root in roots] == ["resprout run hello"]
    assert {"resprout-cli", "resprout-worker", "resprout-host"} <= {span.service for span in mine.values()}


def test_a_line_in_the_hosts_log_names_run_agent_message_and_trace(stack: Stack) -> None:
    stack.hello(name="logged")

    def line() -> dict[str, str] | None:
        lines = [json.loads(text) for text in stack.host_log().splitlines() if text.startswith("{")]
        return next((found for found in lines if found.get("agent") == "greeter/logged"), None)

    found = eventually(line, "the host logs what it handled")
    assert found["run"].startswith("hello-")
    assert {"message", "trace_id", "span_id", "version"} <= found.keys()
