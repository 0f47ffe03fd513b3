"""Thousands of hosts that say what befalls them are too loud. RESPROUT_SIMULATION_LOG=1 lets them speak."""

import os
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    spoke, before = structlog.is_configured(), structlog.get_config()
    if os.environ.get("RESPROUT_SIMULATION_LOG"):
        structlog.configure()
    else:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    if spoke:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()
