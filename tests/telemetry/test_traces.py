import json

from support.collector import Collector, Span
from support.stack import Stack, eventually


def test_a_run_is_one_trace_from_the_cli_to_the_sql(stack: Stack, collector: Collector) -> None:
    wanted = {"resprout run hello", "RunActivity:agent.ask", "agent.call", "handle greeter.greet", "sql.commit_turns"}

    def whole(spans: list[Span]) -> list[Span]:
        """A trace of which nothing is missing: a slow machine loses a batch now and then."""
        by_trace: dict[str, dict[str, Span]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, {})[span.span_id] = span
        for mine in by_trace.values():
            roots = [span.name for span in mine.values() if span.parent_id not in mine]
            if wanted <= {span.name for span in mine.values()} and roots == ["resprout run hello"]:
                return list(mine.values())
        return []

    stack.hello(name="traced")

    mine = whole(collector.wait_for(lambda spans: bool(whole(spans))))
    assert {"resprout-cli", "resprout-worker", "resprout-host"} <= {span.service for span in mine}


def test_a_line_in_the_hosts_log_names_run_agent_message_and_trace(stack: Stack) -> None:
    stack.hello(name="logged")

    def line() -> dict[str, str] | None:
        lines = [json.loads(text) for text in stack.host_log().splitlines() if text.startswith("{")]
        return next((found for found in lines if found.get("agent") == "greeter/logged"), None)

    found = eventually(line, "the host logs what it handled")
    assert found["run"].startswith("hello-")
    assert {"message", "trace_id", "span_id", "version"} <= found.keys()
