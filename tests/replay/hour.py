"""A long conversation, made of two synthesized voices, and what it takes to export it.

    python -m tests.replay.hour [--seconds 3600]

prints memory in Redis, time and memory of an export, and the sizes of its files.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

from shared import keys, record
from shared.messages import DOWN, UP, Audio, Mark
from shared.record import ENTRIES, Entry
from shared.sound import SILENCE
from sim.redis import RedisServer
from sim.voice import speak

ROOT = Path(__file__).parents[2]
CALL, STREAM = "CA" + "6" * 32, "MZ" + "6" * 32
BEGUN_MS = 1_700_000_000_000

FRAME = 160
PIECE = 960  # a piece of the agent's sound
MARK_EVERY = 4000

# Every so many frames: the agent speaks, and halfway through the caller does.
ROUND = 500

AGENT = "Of course. We have three of those on the lot, and one of them is a red one."
CALLER = "And what would that one cost me if I took it today?"


@dataclass(frozen=True, slots=True)
class Written:
    """An entry, and how much sound is in it."""

    key: str
    id: str
    message: bytes
    sound: int = 0  # bytes


def conversation(seconds: int) -> Iterator[Written]:
    """All entries of such a call."""
    up, down, log = keys.up(0, STREAM), keys.down(0, STREAM), keys.log(0, CALL)
    agent, caller = speak(AGENT), speak(CALLER, "caller")
    echoes: dict[int, list[str]] = {}
    sequence = spoken = pieces = 0

    def entry(ms: int, what: Entry) -> Written:
        return Written(log, f"{BEGUN_MS + ms}-*", ENTRIES.pack(what))

    yield entry(0, record.Attached(STREAM, "edge-1"))
    for frame in range(seconds * 50):
        ms, at = frame * 20, frame % ROUND
        since = at - ROUND // 2
        part = caller[since * FRAME : (since + 1) * FRAME] if since >= 0 else b""
        sequence += 1
        sound = part.ljust(FRAME, SILENCE)
        yield Written(up, f"{sequence}-0", UP.pack(Audio(sound, ms)), FRAME)
        for name in echoes.pop(frame, ()):
            sequence += 1
            yield Written(up, f"{sequence}-0", UP.pack(Mark(name, ms)))
        if at == 0:
            spoken += 1
            yield entry(ms, record.Said(spoken, AGENT, sequence))
            yield entry(ms, record.Answering(300, 700, sequence))
            for message, played in _pieces(agent, f"{spoken}"):
                pieces += 1
                length = len(message.mulaw) if isinstance(message, Audio) else 0
                yield Written(down, f"7-{pieces}", DOWN.pack(message), length)
                if isinstance(message, Mark):
                    echoes.setdefault(frame + 1 + played // FRAME, []).append(message.name)
        if at == ROUND // 2:
            yield entry(ms, record.Onset(sequence))
        if since * FRAME > len(caller) and part == b"" and (since - 1) * FRAME <= len(caller):
            yield entry(ms, record.Heard(CALLER, sequence))
    yield entry(seconds * 1000, record.Over("caller hung up", sequence))


def _pieces(sound: bytes, name: str) -> Iterator[tuple[Audio | Mark, int]]:
    """An utterance as it is sent, each message with how much sound was played by then."""
    marked = count = 0
    for start in range(0, len(sound), PIECE):
        end = min(len(sound), start + PIECE)
        yield Audio(sound[start:end]), end
        if start == 0 or end - marked >= MARK_EVERY or end == len(sound):
            marked, count = end, count + 1
            yield Mark(f"{name}-{count}"), end


def put(redis: Redis, seconds: int) -> tuple[int, int]:
    """Write a call of this length into Redis.

    Returns:
        The memory that it took, and the sound in it, both in bytes.
    """
    before = _held(redis)
    call: dict[str | bytes, str | int] = {"state": "ended", "agent": "cars", "stream": STREAM}
    call |= {"cause": "caller hung up", "started": BEGUN_MS, f"stream:{STREAM}": 1}
    redis.hset(keys.call(0, CALL), mapping=call)  # type: ignore[arg-type]
    redis.zadd(keys.INDEX, {CALL: BEGUN_MS})
    pipe, sound = redis.pipeline(transaction=False), 0
    for each in conversation(seconds):
        pipe.xadd(each.key, {"": each.message}, id=each.id)
        sound += each.sound
        if len(pipe) == 2000:
            pipe.execute()
    pipe.execute()
    return _held(redis) - before, sound


def _held(redis: Redis) -> int:
    # MEMORY USAGE guesses at what a stream's index takes, and guesses high.
    return int(redis.info("memory")["used_memory"])


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    seconds: float
    peak_mb: float


def replay(url: str, *arguments: str) -> Cost:
    """Run `python -m replay` as a process of its own. Raises: CalledProcessError."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "replay", *arguments],
        env={"REDIS_URL": url},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(time.monotonic() - began, usage.ru_maxrss * unit / 1e6)


def measure(seconds: int) -> None:
    """Make such a call, export it, and print what that took."""
    with RedisServer() as server, TemporaryDirectory() as name:
        os.environ["REDIS_URL"] = server.url
        with Redis.from_url(server.url) as redis:
            held, sound = put(redis, seconds)
        say(f"in Redis: {held / 1e6:.1f} MB, {held / sound:.2f} x the sound")
        folder, bundle = Path(name) / "out", Path(name) / "a.call"
        for arguments in (
            ["export", CALL, "--to", str(folder)],
            ["bundle", CALL, "--to", str(bundle)],
        ):
            cost = replay(server.url, *arguments)
            say(f"{arguments[0]}: {cost.seconds:.1f} s, peak memory {cost.peak_mb:.0f} MB")
        cost = replay(server.url, "import", str(bundle), "--replace")
        say(f"import: {cost.seconds:.1f} s, peak memory {cost.peak_mb:.0f} MB")
        for path in (*sorted(folder.iterdir()), bundle):
            say(f"  {path.name:<18}{path.stat().st_size / 1e6:8.2f} MB")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600)
    measure(parser.parse_args().seconds)
