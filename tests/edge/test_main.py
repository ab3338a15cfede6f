"""What a process arranges before it serves."""

import resource
from collections.abc import Iterator

import pytest

from edge.main import _allow_sockets


@pytest.fixture
def most() -> Iterator[int]:
    """The system's limit of descriptors, of which this process has taken only some."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_edge_takes_as_many_descriptors_as_it_may(most: int) -> None:
    _allow_sockets()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
