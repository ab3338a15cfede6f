"""The base line: the bridge of Deepgram's guide "Twilio and Deepgram Voice Agent", written anew.

One process, plain asyncio, `websockets` on both sides, three tasks a call, and the standard
library's json and base64. It buffers 0.4 s of the caller's sound before it sends (20 frames of
160 bytes); with `--forward` it sends every frame at once, which is how fast the same code can be.

    python -m sim.load.guide --port 5000 --agent ws://127.0.0.1:8080/v1/agent/converse [--forward]
"""

import argparse
import asyncio
import base64
import json
import signal
import sys
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

FRAME_BYTES = 160
BUFFER_FRAMES = 20

_SOUND = {"encoding": "mulaw", "sample_rate": 8000}

SETTINGS = {
    "type": "Settings",
    "audio": {"input": _SOUND, "output": {**_SOUND, "container": "none"}},
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": "You are a helpful car seller.",
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        "greeting": "Hello, how are you today?",
    },
}


class Bridge:
    """The server; all it knows of a call are the two sockets and two queues between them."""

    def __init__(self, agent_url: str, buffer_bytes: int) -> None:
        self._agent_url = agent_url
        self._buffer_bytes = buffer_bytes

    async def serve(self, phone: ServerConnection) -> None:
        """One call."""
        sound: asyncio.Queue[bytes] = asyncio.Queue()
        stream: asyncio.Queue[str] = asyncio.Queue()
        async with connect(self._agent_url) as agent:
            await agent.send(json.dumps(SETTINGS))
            pumps = [
                asyncio.create_task(self._send(agent, sound)),
                asyncio.create_task(self._receive(agent, phone, stream)),
                asyncio.create_task(self._listen(phone, sound, stream)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _send(self, agent: ClientConnection, sound: "asyncio.Queue[bytes]") -> None:
        while True:
            await agent.send(await sound.get())

    async def _receive(
        self, agent: ClientConnection, phone: ServerConnection, stream: "asyncio.Queue[str]"
    ) -> None:
        stream_sid = await stream.get()
        async for message in agent:
            if isinstance(message, str):
                if json.loads(message)["type"] == "UserStartedSpeaking":
                    await phone.send(json.dumps({"event": "clear", "streamSid": stream_sid}))
                continue
            media = {
                "event": "media",
                "streamSid": stream_sid,
                "media": {"payload": base64.b64encode(message).decode("ascii")},
            }
            await phone.send(json.dumps(media))

    async def _listen(
        self, phone: ServerConnection, sound: "asyncio.Queue[bytes]", stream: "asyncio.Queue[str]"
    ) -> None:
        buffer = bytearray()
        async for message in phone:
            data: dict[str, Any] = json.loads(message)
            match data["event"]:
                case "start":
                    stream.put_nowait(data["start"]["streamSid"])
                case "media" if data["media"]["track"] == "inbound":
                    buffer.extend(base64.b64decode(data["media"]["payload"]))
                case "stop":
                    return
            while len(buffer) >= self._buffer_bytes:
                sound.put_nowait(bytes(buffer[: self._buffer_bytes]))
                del buffer[: self._buffer_bytes]


async def _run(port: int, bridge: Bridge) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def handle(phone: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await bridge.serve(phone)

    async with serve(handle, "127.0.0.1", port):
        await stop.wait()


def main(argv: list[str]) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sim.load.guide")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--agent", required=True, help="the agent service's URL")
    parser.add_argument("--forward", action="store_true", help="send each frame at once")
    options = parser.parse_args(argv)
    frames = 1 if options.forward else BUFFER_FRAMES
    asyncio.run(_run(options.port, Bridge(options.agent, frames * FRAME_BYTES)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
