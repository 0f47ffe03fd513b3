import httpx
from resprout import __version__
from resprout.runtime.telemetry import serve_metrics


def test_every_metric_that_is_served_begins_with_our_name() -> None:
    server = serve_metrics(0)

    try:
        answer = httpx.get(server.url)
    finally:
        server.close()

    names = [line.split("{")[0].split(" ")[0] for line in answer.text.splitlines() if not line.startswith("#")]
    assert answer.headers["content-type"].startswith("text/plain")
    assert {"resprout_build_info", "resprout_process_resident_memory_bytes"} <= set(names)
    assert [name for name in names if not name.startswith("resprout_")] == []


def test_build_info_tells_version_and_python() -> None:
    server = serve_metrics(0)

    try:
        text = httpx.get(server.url).text
    finally:
        server.close()

    (line,) = (line for line in text.splitlines() if line.startswith("resprout_build_info{"))
    assert f'version="{__version__}"' in line
    assert 'python="3.' in line
    assert line.endswith(" 1.0")


def test_a_closed_metrics_server_gives_its_port_back() -> None:
    first = serve_metrics(0)
    first.close()

    second = serve_metrics(first.port)

    second.close()
    assert second.port == first.port
