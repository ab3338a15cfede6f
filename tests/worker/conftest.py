"""What the worker's tests share."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, LoopFactory]:
    """The worker runs on uvloop, whose transports differ from asyncio's in small things."""
    if item.path.name == "test_socket.py":
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def agent_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes an agent file."""

    def write(text: str, name: str = "default.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
