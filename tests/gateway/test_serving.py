"""The gateway on a real port, in a process of its own: its signals must not be ours."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

PROGRAM = """
import asyncio, signal, sys
from resprout.runtime import gateway
from resprout.runtime.gateway import create_app, serve
from resprout.runtime.settings import TelemetrySettings
from resprout.runtime.telemetry import configure_logs

async def nameless():
    raise RuntimeError

async def stuck():
    await asyncio.sleep(3600)

app = create_app({"nameless": nameless, "stuck": stuck, "stuck_too": stuck}, "9.9")
release = asyncio.Event()

@app.get("/broken")
async def broken():
    raise ValueError("a secret")

@app.get("/held/{name}")
async def held(name: str):
    print("holding", flush=True)
    await release.wait()
    return name

async def main():
    def ready(url):
        print(url, flush=True)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, release.set)
    await serve(app, "127.0.0.1", 0, on_ready=ready)
    print("returned", flush=True)

if len(sys.argv) > 1:
    gateway.DRAIN_SECONDS = int(sys.argv[1])
configure_logs(TelemetrySettings(log_format="json"), "gateway")
asyncio.run(main())
"""


@dataclass
class Running:
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def says(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()

    async def end(self) -> str:
        """Its log, once it has ended."""
        assert self.process.stderr is not None
        log = await asyncio.wait_for(self.process.stderr.read(), 30)
        await asyncio.wait_for(self.process.wait(), 30)
        return log.decode()


@pytest.fixture
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A test may say for how many seconds it drains."""
    pipe = asyncio.subprocess.PIPE
    drain = [str(request.param)] if hasattr(request, "param") else []
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, *drain, stdout=pipe, stderr=pipe)
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            running = Running(process, client)
            client.base_url = httpx.URL(await running.says())
            yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_check_that_is_stuck_does_not_hold_up_the_answer(gateway: Running) -> None:
    answer = await gateway.client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "nameless": {"ok": False, "detail": "RuntimeError"},
        "stuck": {"ok": False, "detail": "no answer within 2 s"},
        "stuck_too": {"ok": False, "detail": "no answer within 2 s"},
    }


async def test_an_error_of_ours_is_a_problem_without_its_reason_and_is_logged_once(gateway: Running) -> None:
    answer = await gateway.client.get("/broken")
    metrics = (await gateway.client.get("/metrics")).text
    gateway.process.send_signal(signal.SIGTERM)
    log = await gateway.end()

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "a secret" not in answer.text
    assert log.count("a secret") == 1
    assert 'resprout_http_requests_total{method="GET",route="/broken",status="500"} 1.0' in metrics


async def test_invented_methods_and_paths_make_no_new_series(gateway: Running) -> None:
    for name in ("INVENTED", "MADEUP"):
        await gateway.client.request(name, f"/{name}")
    metrics = (await gateway.client.get("/metrics")).text

    assert 'resprout_http_requests_total{method="other",route="unmatched",status="404"} 2.0' in metrics
    assert "INVENTED" not in metrics
    assert 'resprout_http_request_seconds_count{route="unmatched"} 2.0' in metrics


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_in_flight_is_answered_before_the_gateway_ends(gateway: Running, number: int) -> None:
    held = asyncio.create_task(gateway.client.get("/held/on"))
    assert await gateway.says() == "holding"

    gateway.process.send_signal(number)
    await closed(gateway.client.base_url)
    gateway.process.send_signal(signal.SIGUSR1)  # lets the request end, now that nobody is let in any more
    answer = await held
    await gateway.end()

    assert (answer.status_code, answer.json()) == (200, "on")
    assert gateway.process.returncode == 0


async def test_a_request_that_does_not_end_holds_up_the_end_for_a_while_only(gateway: Running) -> None:
    held = asyncio.create_task(gateway.client.get("/held/forever"))
    assert await gateway.says() == "holding"

    gateway.process.send_signal(signal.SIGTERM)

    assert await gateway.says() == "returned"
    await gateway.end()
    with pytest.raises(httpx.HTTPError):
        (await held).raise_for_status()
    assert gateway.process.returncode == 0


@pytest.mark.parametrize("gateway", [600], indirect=True)
async def test_a_second_interrupt_does_not_wait(gateway: Running) -> None:
    held = asyncio.create_task(gateway.client.get("/held/forever"))
    assert await gateway.says() == "holding"

    gateway.process.send_signal(signal.SIGINT)
    await closed(gateway.client.base_url)
    gateway.process.send_signal(signal.SIGINT)

    await gateway.end()  # within half a minute: draining takes ten
    with pytest.raises(httpx.HTTPError):
        (await held).raise_for_status()


async def closed(url: httpx.URL) -> None:
    """Until nobody listens there: the first signal was heard."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(url.host, url.port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0)
