"""One stack for all tests that do it no harm, and a port on which each starts its own agent."""

from collections.abc import Iterator

import pytest

from sim.redis import free_port
from sim.stack import Stack
from tests.e2e import kit


@pytest.fixture(scope="session")
def port() -> int:
    """Where the agent service is, for all stacks; a test starts one there when it needs it."""
    return free_port()


@pytest.fixture(scope="session")
def house(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An edge and two workers, for tests that leave them as they found them."""
    with kit.stack(tmp_path_factory.mktemp("house"), port, workers=2) as stack:
        yield stack
