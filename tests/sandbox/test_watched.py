"""While results are awaited, a container is looked at of which the engine does not tell that it has ended."""

import asyncio

import pytest
from resprout.activities.sandbox.backend import NoSandbox
from resprout.activities.sandbox.docker import attachment
from resprout.activities.sandbox.docker.attachment import watched
from resprout.activities.sandbox.docker.engine import Gone

pytestmark = pytest.mark.usefixtures("looks_at_once")


@pytest.fixture
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "LOOK_EVERY", 0)


class Container:
    """Its results are here once the engine was asked so many times; then it is gone."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.are_here = asyncio.Event()
        self.was_let_go = False

    async def results(self) -> bytes | None:
        try:
            await self.are_here.wait()
        except asyncio.CancelledError:
            self.was_let_go = True
            raise
        return b"results"

    async def look(self) -> None:
        self.left -= 1
        if self.left > 0:
            raise NoSandbox("the engine did not answer in time")
        self.are_here.set()
        await asyncio.sleep(0.01)
        raise Gone("it has ended")


async def test_an_engine_that_does_not_answer_once_ends_no_run() -> None:
    container = Container(looks=3)

    assert await watched(container.results(), container.look) == b"results"
    assert container.left == 0


async def test_a_container_that_has_ended_is_not_waited_for() -> None:
    container = Container(looks=1)

    async def is_gone() -> None:
        raise Gone("it has ended")

    with pytest.raises(Gone):
        await watched(container.results(), is_gone)
    assert container.was_let_go


async def test_results_that_are_here_count_although_the_container_is_gone() -> None:
    container = Container(looks=1)

    assert await watched(container.results(), container.look) == b"results"
