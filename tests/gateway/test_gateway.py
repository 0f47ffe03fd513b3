import asyncio
import socket
from datetime import timedelta

import httpx
import pytest
from resprout import __version__
from resprout.actors.errors import MailboxFull, StackError, UnknownKind
from resprout.runtime.gateway import create_app, serve
from support.stack import Stack, eventually


def client_of(**checks: object) -> httpx.AsyncClient:
    app = create_app(checks, "9.9")  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def well() -> str:
    return "fine"


async def ill() -> str:
    raise RuntimeError("no disk")


def test_the_gateway_of_a_stack_is_ready_and_tells_its_version(stack: Stack) -> None:
    def answer(path: str) -> httpx.Response:
        return httpx.get(f"{stack.gateway()}{path}", timeout=30)

    def ready() -> httpx.Response | None:
        found = answer("/readyz")
        return found if found.status_code == 200 else None

    checks = eventually(ready, "the gateway is ready").json()["checks"]
    version = answer("/version").json()

    assert checks.keys() == {"postgres", "temporal"}
    assert (version["name"], version["version"]) == ("resprout", __version__)
    assert answer("/healthz").json() == {"status": "alive"}


async def test_readiness_names_what_does_not_answer() -> None:
    async with client_of(postgres=well, temporal=ill) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "postgres": {"ok": True, "detail": "fine"},
        "temporal": {"ok": False, "detail": "no disk"},
    }


async def test_checks_run_together() -> None:
    together = asyncio.Barrier(2)

    async def meets_the_other() -> str:
        await together.wait()
        return "met"

    async with client_of(one=meets_the_other, two=meets_the_other) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 200


async def test_errors_are_problem_details() -> None:
    async with client_of() as client:
        missing, method = await client.get("/nope"), await client.post("/version")

    for answer, status in ((missing, 404), (method, 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert "/nope" in missing.json()["detail"]


async def test_a_refusal_is_a_problem_with_its_status_and_when_to_come_back() -> None:
    app = create_app({}, "9.9")

    @app.get("/full")
    async def full() -> None:
        raise MailboxFull("the mailbox of a/b is full.", timedelta(seconds=1.2))

    @app.get("/unknown")
    async def unknown() -> None:
        raise UnknownKind("no agent class has the kind 'a'.")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        busy, mistaken = await client.get("/full"), await client.get("/unknown")

    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
    assert busy.json()["detail"] == "the mailbox of a/b is full."
    assert (mistaken.status_code, "retry-after" in mistaken.headers) == (400, False)


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    async with client_of() as client:
        for path in ("/version", "/made-up-1", "/made-up-2"):
            await client.get(path)
        metrics = (await client.get("/metrics")).text

    assert 'resprout_http_requests_total{method="GET",route="/version",status="200"}' in metrics
    assert 'route="unmatched",status="404"' in metrics
    assert "made-up" not in metrics


async def test_a_taken_port_is_refused_in_a_sentence() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        with pytest.raises(StackError, match=str(port)):
            await asyncio.wait_for(serve(create_app({}, "9.9"), "127.0.0.1", port), 10)
