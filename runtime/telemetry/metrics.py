"""One Prometheus registry per process. Every name begins with `resprout_`."""

import platform
import threading
from dataclasses import dataclass
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ... import __version__

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(namespace="resprout", registry=REGISTRY)
Gauge("resprout_build_info", "What is running; always 1.", ["version", "python"], registry=REGISTRY).labels(
    __version__, platform.python_version()
).set(1)


@dataclass(frozen=True)
class MetricsServer:
    host: str
    port: int
    server: WSGIServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/metrics"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def serve_metrics(port: int, host: str = "127.0.0.1") -> MetricsServer:
    """Serves this process's metrics from a thread; port 0 means any free one."""
    server, thread = start_http_server(port, host, registry=REGISTRY)
    return MetricsServer(host, server.server_port, server, thread)


def render() -> tuple[bytes, str]:
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
