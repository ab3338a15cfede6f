"""What the stand-in's tests share: made-up sound, settings, and a client that remembers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sim.agent import AgentServer, Script, Timing, Turn

Message = dict[str, Any]

KEY = {"Authorization": "Token some-key"}
MULAW = {"encoding": "mulaw", "sample_rate": 8000}
FLUX = {"provider": {"type": "deepgram", "version": "v2", "model": "flux-general-en"}}
FAST = Timing(think_s=0.01, quiet_s=0.2, eager_s=0.1, cut_done_s=(0.02, 0.03))

CARS = Turn(
    heard="What cars?",
    say=(
        "We have three of them, and you may drive any one of them today.",
        "One is red and it is rather fast.",
        "Yes.",
    ),
)
"""An answer whose first sentence plays long enough to be interrupted on a busy machine."""


def speech(ms: int) -> bytes:
    """A loud square wave, which is speech to an ear for energy."""
    return b"\x10\x90" * (ms * 4)


def quiet(ms: int) -> bytes:
    """Silence."""
    return b"\xff" * (ms * 8)


UTTERANCE = speech(300) + quiet(260)
"""A user turn, with the quiet that ends it under FAST."""


def voice(text: str) -> bytes:
    """10 ms a letter: fast to make and fast to play, and different for different lengths."""
    return b"\x20" * (80 * len(text))


def settings(**agent: Any) -> Message:
    """Settings with this agent."""
    return {"type": "Settings", "audio": {"input": MULAW, "output": MULAW}, "agent": agent}


def thinks(*functions: Message) -> Message:
    """A `think` block with these functions."""
    return {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}, "functions": [*functions]}


def script(*turns: Turn) -> Script:
    """A script of these turns."""
    return Script(turns)


class Client:
    """A client of the service that keeps all it is sent, sound as bytes and text as objects."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[Message | bytes] = []
        self._read = 0
        self.closed = asyncio.Event()
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Read until the connection closes."""
        try:
            async for frame in self.socket:
                await self._keep(json.loads(frame) if isinstance(frame, str) else frame)
        except ConnectionClosed:
            pass
        self.closed.set()

    async def _keep(self, seen: Message | bytes) -> None:
        async with self._news:
            self.seen.append(seen)
            self._news.notify_all()

    async def send(self, *frames: Message | bytes | str) -> None:
        """Send objects as JSON, sound and text as they are."""
        for frame in frames:
            await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def until(self, type_: str, **fields: Any) -> Message:
        """The next message of this type with these fields, after those awaited before it."""
        async with asyncio.timeout(5), self._news:
            while True:
                await self._news.wait_for(lambda: self._read < len(self.seen))
                seen = self.seen[self._read]
                self._read += 1
                if isinstance(seen, dict) and {"type": type_, **fields}.items() <= seen.items():
                    return seen

    async def close_code(self) -> int | None:
        """How the connection closed."""
        async with asyncio.timeout(5):
            await self.closed.wait()
        return self.socket.close_code

    def types(self) -> list[str]:
        """The messages' types in order, a run of sound as one "sound"."""
        names = ["sound" if isinstance(s, bytes) else str(s["type"]) for s in self.seen]
        return [n for i, n in enumerate(names) if n != "sound" or names[i - 1 : i] != ["sound"]]

    def sound(self) -> bytes:
        """All sound so far."""
        return b"".join(seen for seen in self.seen if isinstance(seen, bytes))

    def texts(self, role: str) -> list[str]:
        """What this side said so far."""
        said = [s for s in self.seen if isinstance(s, dict) and s["type"] == "ConversationText"]
        return [message["content"] for message in said if message["role"] == role]


def server(*turns: Turn, **options: Any) -> AgentServer:
    """A fast server with a script of these turns."""
    return AgentServer(**{"script": script(*turns), "speak": voice, "timing": FAST, **options})


@asynccontextmanager
async def connected(agent: AgentServer, key: str = "some-key") -> AsyncIterator[Client]:
    """A client before its Settings."""
    headers = {"Authorization": f"Token {key}"}
    connecting = connect(agent.url, additional_headers=headers, compression=None)
    async with asyncio.TaskGroup() as tasks, connecting as socket:
        client = Client(socket)
        tasks.create_task(client.listen())
        yield client


@asynccontextmanager
async def talking(
    agent: AgentServer, key: str = "some-key", **options: Any
) -> AsyncIterator[Client]:
    """A client whose Settings, with this agent, are applied."""
    async with connected(agent, key) as client:
        await client.send(settings(**options))
        await client.until("SettingsApplied")
        yield client
