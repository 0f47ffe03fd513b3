"""The life of a container: made and started, claimed for a key, removed. All names are ours, see `names.py`."""

from typing import Any

from .engine import Engine, Gone, NameTaken
from .shape import Shape, configuration


class Containers:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, name: str, shape: Shape, labels: dict[str, str]) -> None:
        """Raises NameTaken when it is there."""
        await self._engine.call(
            lambda api: api.create_container_from_config(configuration(shape, labels), name)  # type: ignore[no-untyped-call]
        )

    async def start(self, name: str) -> None:
        """Harmless when it runs; raises NameTaken when it cannot start a second time."""
        await self._engine.call(lambda api: api.start(name))

    async def rename(self, name: str, new: str) -> None:
        """Raises NameTaken when the new name is there."""
        await self._engine.call(lambda api: api.rename(name, new))

    async def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._engine.call(lambda api: api.inspect_container(name))
        return dict(found["State"])

    async def kill(self, name: str) -> None:
        """It stays, ended, so that its key stays taken."""
        try:
            await self._engine.call(lambda api: api.kill(name))
        except (Gone, NameTaken):
            return

    async def remove(self, name: str) -> None:
        """Ends it, whatever it does; nothing happens when it is not there or being removed."""
        try:
            await self._engine.call(lambda api: api.remove_container(name, v=True, force=True))
        except (Gone, NameTaken):
            return

    async def ours(self, label: str) -> list[dict[str, Any]]:
        found = await self._engine.call(lambda api: api.containers(all=True, filters={"label": label}))
        return [dict(one) for one in found]
