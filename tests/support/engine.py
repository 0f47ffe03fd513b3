"""The Docker engine of this machine with the images of the sandbox; what needs it is skipped where there is none."""

import os

import pytest
from docker import APIClient
from docker.errors import DockerException
from resprout.activities.sandbox.docker import Engine
from resprout.activities.sandbox.docker.building import build
from resprout.activities.sandbox.docker.images import LANGUAGES, Images, image_name

URL = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


@pytest.fixture(scope="session")
def engine_api() -> APIClient:
    try:
        api = APIClient(URL, version="auto")
        api.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    return api


@pytest.fixture(scope="session")
async def images(engine_api: APIClient) -> None:
    engine = Engine(URL)
    there = {image.name for image in await Images(engine).images()}
    missing = [language for language in LANGUAGES if image_name(language) not in there]
    if missing:
        await build(engine, missing, print, install=True)
    await engine.close()
