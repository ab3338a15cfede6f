"""A phone that is not there: its end of the bus, as an edge has it, and its owner's clock."""

import asyncio
from collections.abc import Iterable
from uuid import uuid4

from replay.caller import Caller, Scene
from replay.playback import Playback
from replay.turns import FRAME_MS
from shared.bus import Bus
from shared.causes import Cause
from shared.messages import Audio, Clear, Detached, Down, Dropped, Ended, Mark, Up, drop_stale


class Phone:
    """One phone socket, from `start` to its end.

    Args:
        scene: What the caller hears; its playback is this phone's from now on.
    """

    def __init__(self, bus: Bus, call_sid: str, scene: Scene) -> None:
        self.stream_sid = f"MZ{uuid4().hex}"
        self._bus = bus
        self._call_sid = call_sid
        self._scene = scene
        self._playback = scene.playback = Playback()
        self._up = bus.up(call_sid, self.stream_sid)
        self._sequence = 1  # Twilio's `start` has the first number
        self._own_entries = 0
        self._now_ms = 0.0
        self._clock = 0
        self._ended: Ended | None = None
        bus.follow_down(call_sid, self.stream_sid, self._take)

    async def carry(self, caller: Caller) -> Ended | Detached:
        """Every 20 ms of the caller's time: what he hears, then what he does. Returns the end."""
        loop = asyncio.get_running_loop()
        began, tick = loop.time(), 0
        while not self._ended:
            self._now_ms = float(tick * FRAME_MS)
            self._echo(self._playback.advance(self._now_ms))
            for message in caller.due(self._now_ms, self._scene):
                if isinstance(message, Ended | Detached):
                    return message
                self._send(message)
            tick += 1
            due = began + tick * FRAME_MS / 1000 / self._scene.speed
            await asyncio.sleep(max(0.0, due - loop.time()))
        return self._ended

    def close(self, last: Ended | Detached) -> None:
        """The last word of this stream: the caller's own, as Twilio sends it, or the edge's."""
        self._bus.unfollow_down(self._call_sid, self.stream_sid)
        if last.cause == Cause.CALLER_HUNG_UP:
            self._send(last)
        else:
            self._send_own(last)
        self._bus.release(self._up.key)

    def _send(self, message: Up) -> None:
        self._sequence, self._own_entries = self._sequence + 1, 0
        if isinstance(message, Audio):
            self._clock = message.timestamp
        self._up.send(f"{self._sequence}-0", message)

    def _send_own(self, message: Up) -> None:
        self._own_entries += 1
        self._up.send(f"{self._sequence}-{self._own_entries}", message)

    def _echo(self, names: Iterable[str]) -> None:
        for name in names:
            self._send(Mark(name, self._clock))

    def _take(self, batch: list[Down]) -> None:
        """Entries of `down` arrive: what a clear overtakes in them never reaches the phone."""
        kept, dropped = drop_stale(batch)
        for mark in dropped:
            self._send_own(Dropped(mark.name))
        for message in kept:
            match message:
                case Audio(mulaw):
                    self._echo(self._playback.sound(len(mulaw), self._now_ms))
                case Mark(name):
                    self._echo(self._playback.mark(name, self._now_ms))
                case Clear():
                    self._echo(self._playback.clear(self._now_ms))
                case Ended():
                    self._ended = message
