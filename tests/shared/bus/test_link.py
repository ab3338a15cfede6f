"""One connection, batches that form by themselves, and what survives its breaking."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ResponseError

from shared.bus import BusDown, Refused, commands
from shared.bus import link as link_module
from shared.bus import wire as wire_module
from shared.bus.link import AHEAD, Link
from shared.bus.scripts import ALL, APPEND
from shared.bus.wire import Answer, encode
from shared.logs import Seldom
from sim.redis import RedisServer
from tests.shared.bus.help import Peek, Wire, connector, mute_server, peeking, running, tell, until

NOWHERE = "redis://127.0.0.1:1/0"  # nothing listens there


def values(client: Peek, key: str) -> list[bytes]:
    return [fields[b"v"] for _, fields in client("XRANGE", key, "-", "+")]


def reads(client: Peek) -> int:
    return int(client("INFO", "stats")["total_reads_processed"])


def test_commands_are_encoded_as_redis_reads_them() -> None:
    assert encode(("SET", "k", 12)) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n"
    assert encode(("SET", "ü", b"\r\n")) == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xbc\r\n$2\r\n\r\n\r\n"


@pytest.mark.parametrize("url", ["localhost", "http://localhost"])
def test_a_url_that_names_no_redis_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="scheme"):
        connector(url)


# -- answers -------------------------------------------------------------------------


async def test_ask_returns_the_answer(redis: str) -> None:
    link = Link(connector(redis))
    async with running(link):
        assert await link.ask("ECHO", b"\xff\x00") == b"\xff\x00"


async def test_an_error_is_refused_by_its_code_alone(redis: str) -> None:
    link = Link(connector(redis))
    async with running(link):
        with pytest.raises(Refused) as refusal:
            await link.ask("SET", "4711")

    assert "4711" not in str(refusal.value)


async def test_an_error_concerns_nobody_else_in_the_pipeline(redis: str) -> None:
    link = Link(connector(redis))
    async with running(link):
        bad, good = asyncio.create_task(link.ask("BAD")), asyncio.create_task(link.ask("ECHO", "1"))

        assert await good == b"1"
        with pytest.raises(Refused):
            await bad
        assert link.is_up


async def test_posted_answers_come_in_order(redis: str) -> None:
    link = Link(connector(redis))
    answers: list[Answer] = []
    async with running(link):
        link.post("RPUSH", "k", "a", answer=answers.append)
        link.post("RPUSH", "k", "b", answer=answers.append)
        link.post("INCR", "k", answer=answers.append)
        await link.ask("PING")

    assert answers[:2] == [1, 2]
    assert isinstance(answers[2], ResponseError)


async def test_refused_writes_are_warned_of_but_not_each_and_not_with_what_they_wrote(
    redis: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_seldom", Seldom(commands.log))
    link = Link(connector(redis))
    async with running(link):
        for _ in range(500):
            link.post("SET", "k")
        await link.ask("PING")

    assert [record.message for record in caplog.records] == ["redis refused a write"]
    assert vars(caplog.records[0])["error"] == "ERR"


async def test_an_entry_that_is_there_already_is_no_fault(
    redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(connector(redis))
    async with running(link):
        link.post("XADD", "s", "1-0", "v", "once")
        link.post("XADD", "s", "1-0", "v", "twice")
        await link.ask("PING")

    assert caplog.records == []


# -- pipelines -----------------------------------------------------------------------


async def test_one_turn_of_the_loop_is_one_pipeline(redis: str, peek: Peek) -> None:
    link = Link(connector(redis))
    async with running(link):
        await link.ask("PING")
        before = reads(peek)
        for number in range(50):
            link.post("RPUSH", "k", number)
        await link.ask("PING")

        assert reads(peek) - before == 1 + 1  # the pipeline, and our own look


async def test_what_is_written_under_way_goes_with_the_next_pipeline(
    redis: str, peek: Peek
) -> None:
    link = Link(connector(redis))
    async with running(link):
        await link.ask("PING")
        before = reads(peek)
        first = asyncio.create_task(link.ask("RPUSH", "k", 1))
        await asyncio.sleep(0)  # it leaves
        await asyncio.sleep(0)
        rest = [asyncio.create_task(link.ask("RPUSH", "k", number)) for number in range(2, 30)]

        assert [await first, *[await each for each in rest]] == list(range(1, 30))
        assert reads(peek) - before <= 2 + 1


async def test_a_lone_command_waits_for_nothing(redis: str) -> None:
    link = Link(connector(redis))
    loop = asyncio.get_running_loop()
    async with running(link):
        await link.ask("PING")
        took = []
        for _ in range(20):
            start = loop.time()
            await link.ask("PING")
            took.append(loop.time() - start)

    assert min(took) < 0.005


# -- what hurries, and what gathers ---------------------------------------------------


class Slow:
    """A Redis that answers when told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.said = b""
        self.came = 0
        self._writer: asyncio.StreamWriter

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, self.said = writer, b""
        self.came += 1
        while data := await reader.read(65536):
            self.said += data
            self.answer(data.count(b"SETINFO"))  # what the client library says of itself
        writer.close()

    def answer(self, count: int = 1) -> None:
        self._writer.write(b"+OK\r\n" * count)

    def hang_up(self) -> None:
        self._writer.close()

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield
        finally:
            server.close()


def entry(word: str, kind: type[commands.Entry]) -> tuple[bytes, type[commands.Entry]]:
    return encode(("XADD", word)), kind


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    slow = Slow()
    async with slow.there():
        yield slow


async def sent(slow: Slow, *words: bytes) -> list[bytes]:
    """The words that were sent, in their order, once all of them were."""
    await until(lambda: all(word in slow.said for word in words))
    return sorted(words, key=slow.said.index)


async def test_sound_waits_for_the_round_trip_under_way(slow: Slow) -> None:
    link = Link(connector(slow.url))
    async with running(link):
        link.post_entry(*entry("first", commands.Sound))
        await sent(slow, b"first")
        link.post_entry(*entry("second", commands.Sound))
        link.post("SET", "third")
        await asyncio.sleep(0.02)
        assert b"second" not in slow.said

        slow.answer()
        assert await sent(slow, b"third", b"second") == [b"second", b"third"]


@pytest.mark.parametrize("hurry", ["question", "note", "clear"])
async def test_what_somebody_waits_for_leaves_at_once_and_takes_along_what_was_before(
    slow: Slow, hurry: str
) -> None:
    link = Link(connector(slow.url))
    async with running(link):
        link.post_entry(*entry("first", commands.Sound))
        await sent(slow, b"first")
        link.post_entry(*entry("second", commands.Sound))
        match hurry:
            case "question":
                asked = asyncio.create_task(link.ask("GET", "hurried"))
            case "note":
                link.post_now("XADD", "hurried")
            case _:
                link.post_entry(*entry("hurried", commands.HurriedEntry))
        assert await sent(slow, b"hurried", b"second") == [b"second", b"hurried"]
        slow.answer(3)
        await until(lambda: link.is_idle)

    if hurry == "question":
        assert await asked == b"OK"


async def test_a_redis_that_does_not_answer_is_not_hurried_for_ever(slow: Slow) -> None:
    link = Link(connector(slow.url))
    async with running(link):
        for number in range(AHEAD):
            link.post_now("SET", f"n{number}")
            await sent(slow, b"n%d" % number)
        for _ in range(10):
            link.post_now("SET", "more")
            await asyncio.sleep(0.002)
        assert b"more" not in slow.said
        slow.answer(AHEAD)
        await until(lambda: slow.said.count(b"more") == 10)
        slow.answer(10)
        await until(lambda: link.is_idle)


async def test_sound_gathers_after_a_round_trip_and_nothing_else_does(slow: Slow) -> None:
    link = Link(connector(slow.url), gather_s=lambda: 0.1)
    loop = asyncio.get_running_loop()
    async with running(link):
        link.post_entry(*entry("first", commands.Sound))
        await sent(slow, b"first")
        slow.answer()
        await until(lambda: link.is_idle)
        began = loop.time()
        link.post_entry(*entry("second", commands.Sound))
        await sent(slow, b"second")
        took = loop.time() - began
        slow.answer()
        await until(lambda: link.is_idle)
        began = loop.time()
        link.post_now("SET", "hurried")
        await sent(slow, b"hurried")
        took_hurried = loop.time() - began

    assert took > 0.08
    assert took_hurried < 0.05


async def test_all_that_was_under_way_is_sent_again_in_its_order_if_it_is_wanted(
    slow: Slow,
) -> None:
    link = Link(connector(slow.url))
    async with running(link):
        given_up = asyncio.create_task(link.ask("GET", "given-up"))
        await sent(slow, b"given-up")
        link.post_now("SET", "one")
        await sent(slow, b"one")
        link.post_entry(*entry("two", commands.Sound))
        link.post_now("SET", "three")
        await sent(slow, b"three")
        link.post_entry(*entry("four", commands.Sound))
        given_up.cancel()
        await asyncio.sleep(0)
        slow.hang_up()
        await until(lambda: slow.came == 2)

        order = [b"one", b"two", b"three", b"four"]
        assert await sent(slow, *reversed(order)) == order
        assert b"given-up" not in slow.said


# -- a connection that breaks --------------------------------------------------------


async def test_what_was_written_while_redis_was_away_arrives(server: RedisServer) -> None:
    link = Link(connector(server.url))
    async with running(link):
        await link.ask("XADD", "s", "1-0", "v", "before")
        server.kill()
        link.post("XADD", "s", "2-0", "v", "meanwhile")
        await until(lambda: not link.is_up)
        server.start()
        await until(lambda: link.is_up)
        await link.ask("XADD", "s", "3-0", "v", "after")

        with peeking(server.url) as client:
            assert values(client, "s") == [b"before", b"meanwhile", b"after"]


async def test_a_pipeline_whose_answer_was_lost_is_sent_again_and_doubles_nothing(
    redis: str, peek: Peek
) -> None:
    async with Wire(redis).laid() as wire:
        link = Link(connector(wire.url))
        async with running(link):
            await link.ask("PING")
            wire.break_after(b"XADD")
            for number in range(1, 6):
                link.post("XADD", "s", f"{number}-0", "v", number)
            assert await link.ask("XLEN", "s") == 5

        assert wire.breaks == 1
    assert values(peek, "s") == [b"1", b"2", b"3", b"4", b"5"]


async def test_killed_connections_lose_and_double_nothing(redis: str, peek: Peek) -> None:
    link = Link(connector(redis))
    async with running(link):
        for number in range(1, 201):
            link.post("XADD", "s", f"{number}-0", "v", number)
            if number % 50 == 0:
                peek("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0)
        await link.ask("PING")

    assert values(peek, "s") == [b"%d" % number for number in range(1, 201)]


async def test_a_refused_greeting_does_not_stop_the_link(redis: str) -> None:
    link = Link(connector(redis), [("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")] * 2)
    async with running(link):
        assert await link.ask("PING") == b"PONG"


async def test_scripts_that_redis_forgot_are_loaded_again(redis: str, peek: Peek) -> None:
    link = Link(connector(redis), [("SCRIPT", "LOAD", script.lua) for script in ALL])
    append = ("EVALSHA", APPEND.sha, 2, "{0}:log:CA1", "{0}:call:CA1", 0, "edge-1")
    async with running(link):
        await link.ask(*append, 1, 60, "one")
        peek("SCRIPT", "FLUSH")
        link.post("XADD", "s", "1-0", "v", "same pipeline")

        assert await link.ask(*append, 2, 60, "two") == 1
        assert values(peek, "s") == [b"same pipeline"]


async def test_a_pause_is_waited_out(server: RedisServer) -> None:
    link = Link(connector(server.url))
    async with running(link):
        await link.ask("PING")
        server.pause()
        asked = asyncio.create_task(link.ask("INCR", "k"))
        await asyncio.sleep(1.0)
        assert not asked.done()
        server.resume()

        assert await asked == 1
        assert link.is_up


async def test_a_redis_that_stays_silent_is_left(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "DEADLINE_S", 0.1)
    link = Link(connector(server.url))
    async with running(link):
        await until(lambda: link.is_up)
        server.pause()
        link.post("RPUSH", "k", "v")
        await until(lambda: not link.is_up)
        server.resume()
        await until(lambda: link.is_up)


async def test_a_server_that_never_greets_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "DEADLINE_S", 0.1)
    async with mute_server() as (url, came), running(Link(connector(url))):
        await until(lambda: len(came) > 1)


async def test_being_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Link(connector(NOWHERE))):
        await asyncio.sleep(0.3)

    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.message for record in warnings] == ["redis is away"]


# -- while Redis is away -------------------------------------------------------------


async def test_sound_is_dropped_oldest_first_and_words_are_kept(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(encode(("XADD", "log", "10-0", "v", "10")))
    monkeypatch.setattr(link_module, "BACKLOG_BYTES", 30 * size)
    link = Link(connector(server.url))
    for number in range(100, 150):
        link.post_entry(encode(("XADD", "s", f"{number}-0", "v", number)), commands.Sound)
    for number in range(10, 40):
        link.post("XADD", "log", f"{number}-0", "v", f"{number}")
    async with running(link):
        await link.ask("PING")

    with peeking(server.url) as client:
        assert values(client, "log") == [b"%d" % number for number in range(10, 40)]
        kept = values(client, "s")
    assert kept == [b"%d" % number for number in range(150 - len(kept), 150)]
    assert 20 <= len(kept) <= 30
    assert (link.sound_dropped, link.posts_dropped) == (50 - len(kept), 0)
    assert [record.message for record in caplog.records] == ["backlog full, the oldest is dropped"]


async def test_the_rest_is_bounded_too_and_whoever_waits_is_served(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(encode(("XADD", "log", "100-0", "v", "100")))
    monkeypatch.setattr(link_module, "BACKLOG_BYTES", 20 * size)
    link = Link(connector(server.url))
    asked = asyncio.create_task(link.ask("XLEN", "log"))
    await asyncio.sleep(0)
    link.post_entry(encode(("XADD", "s", "1-0", "v", "sound")), commands.Sound)
    for number in range(100, 500):
        link.post("XADD", "log", f"{number}-0", "v", f"{number}")
    async with running(link):
        assert await asked == 0

    with peeking(server.url) as client:
        assert values(client, "s") == [b"sound"]
        kept = values(client, "log")
    assert kept == [b"%d" % number for number in range(500 - len(kept), 500)]
    assert 14 <= len(kept) <= 20
    assert (link.sound_dropped, link.posts_dropped) == (0, 400 - len(kept))
    assert [record.message for record in caplog.records] == ["backlog full, the oldest is dropped"]


async def test_sound_that_arrived_makes_room_again(
    redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "BACKLOG_BYTES", 500)
    link = Link(connector(redis))
    async with running(link):
        for number in range(1, 50):
            link.post_entry(encode(("XADD", "s", f"{number}-0", "v", "sound")), commands.Sound)
            await link.ask("PING")

        assert link.sound_dropped == 0
        assert await link.ask("XLEN", "s") == 49


async def test_sound_dropped_under_way_does_not_upset_the_queue(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "BACKLOG_BYTES", 2000)
    link = Link(connector(server.url))
    async with running(link):
        await link.ask("PING")
        server.pause()
        for number in range(1, 50):
            link.post_entry(encode(("XADD", "s", f"{number}-0", "v", bytes(100))), commands.Sound)
            link.post("RPUSH", "words", number)
            await asyncio.sleep(0)
        server.resume()

        assert await link.ask("LLEN", "words") == 49
        newest = (await link.ask("XREVRANGE", "s", "+", "-", "COUNT", 1))[0][0]
        assert newest == b"49-0"


async def test_ask_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "DEADLINE_S", 0.05)
    link = Link(connector(NOWHERE))
    async with running(link):
        with pytest.raises(BusDown):
            await link.ask("PING")


async def test_what_nobody_waits_for_any_more_does_not_happen_later(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(connector(server.url))
    async with running(link):
        await link.ask("PING")
        server.kill()
        with monkeypatch.context() as patch:
            patch.setattr(link_module, "DEADLINE_S", 0.05)
            with pytest.raises(BusDown):
                await link.ask("SET", "given-up", 1)
        cancelled = asyncio.create_task(link.ask("SET", "cancelled", 1))
        await asyncio.sleep(0)
        cancelled.cancel()
        link.post("SET", "posted", 1)
        server.start()
        await link.ask("PING")

    assert tell(server.url, "KEYS", "*") == [b"posted"]


async def test_a_link_that_ends_closes_its_connection(redis: str, peek: Peek) -> None:
    link = Link(connector(redis))
    async with running(link):
        await link.ask("CLIENT", "SETNAME", "ours")
        assert b"ours" in peek("CLIENT", "LIST")
    await until(lambda: b"ours" not in peek("CLIENT", "LIST"))

    assert not link.is_up
