"""A call in simulated time, with the truth of what was heard.

The phone is the stand-in's playback model, the owner marks as the worker does, and
both write what they write in a call: so there is a recording, and what it must come to.
"""

from dataclasses import dataclass, field
from random import Random

from replay.recording import Recording, Stream
from shared import record
from shared.messages import Audio, Clear, Down, Mark, Up
from shared.record import Entry
from sim.phone.playback import Playback
from worker.playout import Playout

FRAME_MS = 20
LAG_MS = 3
"""From the owner's decision to the phone."""

STARTED_MS = 1_700_000_000_000
"""The time on Redis' clock at the caller's first frame."""


@dataclass
class World:
    """One stream. `tick` lets a millisecond pass; the rest happens at the present."""

    first_timestamp: int = 100
    ms: float = 0.0
    sequence: int = 1
    up: list[tuple[int, Up]] = field(default_factory=list)
    down: list[Down] = field(default_factory=list)
    log: list[tuple[int, Entry]] = field(default_factory=list)
    playback: Playback = field(default_factory=Playback)
    playout: Playout = field(default_factory=lambda: Playout("1"))
    clock: int = 0
    on_the_way: list[tuple[float, Down]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.playout.attach()
        self.write(record.Attached("MZ1", "edge"))

    def write(self, entry: Entry) -> None:
        self.log.append((STARTED_MS + int(self.ms), entry))

    def send(self, messages: list[Down]) -> None:
        self.down += messages
        self.on_the_way += [(self.ms + LAG_MS, message) for message in messages]

    def tick(self) -> None:
        if self.ms % FRAME_MS == 0:
            self.frame()
        self.ms += 1
        self.echo(self.playback.advance(self.ms))
        while self.on_the_way and self.on_the_way[0][0] <= self.ms:
            self.arrive(self.on_the_way.pop(0)[1])

    def wait(self, ms: int) -> None:
        for _ in range(ms):
            self.tick()

    def frame(self) -> None:
        self.clock = self.first_timestamp + int(self.ms)
        self.enter(Audio(b"\x7e" * 160, self.clock))

    def enter(self, message: Up) -> None:
        self.sequence += 1
        self.up.append((self.sequence, message))

    def arrive(self, message: Down) -> None:
        match message:
            case Audio(mulaw):
                self.echo(self.playback.media(mulaw, self.ms))
            case Mark(name):
                self.echo(self.playback.mark(name, self.ms))
            case Clear():
                self.echo(self.playback.clear(self.ms))

    def echo(self, names: list[str]) -> None:
        for name in names:
            self.enter(Mark(name, self.clock))
            self.playout.echo(name, self.clock)

    # -- the agent ------------------------------------------------------------

    def text(self, text: str) -> None:
        number, ending = self.playout.text(text)
        self.send(ending)
        self.write(record.Said(number, text, self.sequence))

    def sound(self, mulaw: bytes) -> None:
        self.send(self.playout.sound(mulaw))

    def end(self) -> None:
        self.send(self.playout.end())

    def interrupt(self) -> None:
        unheard = self.playout.heard(self.clock) < self.playout.sent
        self.write(record.Onset(self.sequence, unheard))
        clear, cuts = self.playout.clear(self.clock)
        self.send(clear)
        for cut in cuts:
            entry = record.Cut(cut.sentence, cut.heard_ms, cut.of_ms, cut.text, self.sequence)
            self.write(entry)

    def answer(self) -> None:
        self.write(record.Answering(300, 700, self.sequence))

    # -- afterwards -----------------------------------------------------------

    def recording(self) -> Recording:
        stream = Stream("MZ1", tuple(self.up), tuple(self.down))
        return Recording("CA1", log=tuple(self.log), streams=(stream,))

    def truth(self) -> bytes:
        return self.playback.heard(self.ms)


def noise(random: Random, ms: int) -> bytes:
    """Sound of which no two stretches are alike, and none is silent."""
    return bytes(random.choices(range(0x10, 0x70), k=ms * 8))


def talk(random: Random, turns: int) -> World:
    """A conversation of so many turns: bursts, lulls, interruptions, all at random times."""
    world = World(first_timestamp=random.randint(0, 175))
    world.wait(random.randint(1, 400))
    for _ in range(turns):
        say(world, random, random.randint(1, 3))
        if random.random() < 0.2:
            world.wait(9000 + random.randint(1, 500))
            say(world, random, 1)
            world.wait(300)
        world.wait(random.choice([random.randint(1, 4000), 9000]))
        world.interrupt()
        world.wait(random.randint(200, 1500))
    say(world, random, 2)
    world.wait(random.randint(1, 3000))
    return world


def say(world: World, random: Random, sentences: int) -> None:
    """An answer of so many sentences, each in bursts that come about as fast as they are played."""
    for number in range(sentences):
        world.text("one two three four " * random.randint(1, 3))
        world.wait(random.randint(0, 200))
        if number == 0:
            world.answer()
        for _ in range(random.randint(3, 12)):
            world.sound(noise(random, random.choice([60, 120, 120, 240])))
            world.wait(random.randint(0, 50))
    world.wait(random.randint(0, 120))
    world.end()
