"""Calls as files, and back."""

import asyncio
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from replay.bundle import MAGIC, MAX_MESSAGE, load_bundle, load_original, save_bundle
from replay.errors import BadBundle
from replay.recording import load
from shared import keys
from shared.bus import Refused
from shared.bus.archive import Original, OriginalStream
from shared.messages import UP, Audio
from shared.record import ENTRIES, Heard, Transferring
from shared.sound import SILENT_FRAME
from tests.replay.calls import archive, log, original, record_call

CALL = "CA" + "3" * 32
LOG = ((b"1700000000000-0", ENTRIES.pack(Heard("call +15551234567 or 15551234567", 1))),)
SMALL = Original("CA1", {b"from": b"+15551234567", b"state": b"ended"}, LOG)


def rows(redis: str, lanes: int) -> dict[str, object]:
    """All of the call that Redis holds, as redis-py sees it."""
    lane, stream = keys.lane_of(CALL, lanes), f"MZ{CALL[2:]}"
    with Redis.from_url(redis) as client:
        return {
            "hash": client.hgetall(keys.call(lane, CALL)),
            "log": client.xrange(keys.log(lane, CALL)),
            "up": client.xrange(keys.up(lane, stream)),
            "down": client.xrange(keys.down(lane, stream)),
        }


async def test_what_comes_back_is_byte_for_byte_what_was_there(redis: str, tmp_path: Path) -> None:
    await record_call(redis, CALL)
    with Redis.from_url(redis) as client:
        client.xadd(keys.log(0, CALL), {"": b"\x92\xcc\xfa\x01"})  # a newer version's
        client.hdel(keys.call(0, CALL), "token:token")
    before = rows(redis, 1)
    path = save_bundle(await original(redis, CALL), tmp_path / "a.call", numbers=True)
    with Redis.from_url(redis) as client:
        client.flushall()

    async with archive(redis, lanes=5) as other:
        await other.restore(load_original(path), keep_for_s=77)

    assert rows(redis, 5) == before
    with Redis.from_url(redis) as client:
        assert len(client.keys("{*}:*:*")) == 4
        assert {client.ttl(key) for key in client.keys("{*}:*:*")} == {77}
        assert client.zrange(keys.INDEX, 0, -1) == [CALL.encode()]


async def test_a_bundle_says_what_redis_says(redis: str, tmp_path: Path) -> None:
    await record_call(redis, CALL)
    path = save_bundle(await original(redis, CALL), tmp_path / "a.call", numbers=True)

    async with archive(redis) as there:
        recording = await load(there, CALL)

    assert load_bundle(path) == replace(recording, call=replace(recording.call, tokens=()))
    assert path.read_bytes().startswith(b"holdfast call 1\n")


async def test_numbers_and_tokens_stay_at_home(redis: str, tmp_path: Path) -> None:
    await record_call(redis, CALL)

    bundle = load_original(save_bundle(await original(redis, CALL), tmp_path / "a.call"))

    everything = repr((bundle.fields, bundle.log))
    assert "5551234" not in everything
    assert "5559876" not in everything
    assert "token" not in everything
    assert "You talk to ***567." in everything
    assert (bundle.call.caller, bundle.call.called) == ("***567", "***543")


async def test_what_has_no_number_in_it_is_the_same_byte_for_byte(
    redis: str, tmp_path: Path
) -> None:
    await record_call(redis, CALL)
    whole = await original(redis, CALL)

    bundle = load_original(save_bundle(whole, tmp_path / "a.call"))

    same = [ours == theirs for ours, theirs in zip(bundle.log, whole.log, strict=True)]
    assert same.count(False) == 1  # the Settings
    assert bundle.streams == whole.streams


def test_numbers_are_masked_wherever_the_log_has_them(tmp_path: Path) -> None:
    moved = (b"1700000000001-0", ENTRIES.pack(Transferring("+15550001111")))
    asked = (b"1700000000002-0", ENTRIES.pack(Heard("not 915551234567, +15550001111", 1)))

    made = save_bundle(replace(SMALL, log=(*LOG, moved, asked)), tmp_path / "a.call")

    assert [entry for _, entry in load_bundle(made).log] == [
        Heard("call ***567 or ***567", 1),
        Transferring("***111"),
        Heard("not 915551234567, ***111", 1),
    ]


def test_numbers_are_masked_wherever_the_hash_has_them(tmp_path: Path) -> None:
    fields = {b"from": b"sip:ann@example.com", b"to": b"+15559876543", b"started": b"5559876543"}
    told = {b"parameters": b'{"to": "+15559876543", "by": "sip:ann@example.com"}', b"raw": b"\xff"}

    made = save_bundle(Original("CA1", fields | told), tmp_path / "a.call")

    assert load_original(made).fields == {
        b"from": b"***com",
        b"to": b"***543",
        b"started": b"5559876543",
        b"parameters": b'{"to": "***543", "by": "***com"}',
        b"raw": b"\xff",
    }


def test_a_name_for_a_number_spoils_no_text(tmp_path: Path) -> None:
    heard = ((b"1-0", ENTRIES.pack(Heard("anonymous 266696687", 1))),)

    made = save_bundle(Original("CA1", {b"from": b"anonymous"}, heard), tmp_path / "a.call")

    assert load_bundle(made).log == ((1, Heard("anonymous 266696687", 1)),)


def test_a_bundle_of_a_bundle_is_the_same(tmp_path: Path) -> None:
    first = save_bundle(SMALL, tmp_path / "a.call")
    second = save_bundle(load_original(first), tmp_path / "b.call")

    assert first.read_bytes() == second.read_bytes()


def test_sound_takes_no_more_than_itself(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 40
    frames = [noise[n % 256 : n % 256 + 160] for n in range(3000)]
    up = tuple((b"%d-0" % n, msgpack.packb((1, each, n * 20))) for n, each in enumerate(frames, 1))

    path = save_bundle(replace(SMALL, streams=(OriginalStream("MZ1", up),)), tmp_path / "a.call")

    assert path.stat().st_size < 3000 * 160


# -- files that are none ------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"RIFF....", b"holdfast call x\n", b"holdfast call 1"])
def test_another_kind_of_file_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(data)

    with pytest.raises(BadBundle, match=r"a\.call is no bundle: make one with"):
        load_bundle(path)


@pytest.mark.parametrize(("version", "hint"), [(2, "use a newer one"), (0, "the one that made")])
def test_a_foreign_version_is_named(tmp_path: Path, version: int, hint: str) -> None:
    path = save_bundle(SMALL, tmp_path / "a.call")
    path.write_bytes(path.read_bytes().replace(b"call 1\n", b"call %d\n" % version))

    with pytest.raises(BadBundle, match=rf"a\.call is a bundle of version {version}.*{hint}"):
        load_bundle(path)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = save_bundle(SMALL, tmp_path / "a.call")
    data = path.read_bytes()

    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadBundle, match=r"a\.call is (damaged, or cut short|no bundle)"):
            load_bundle(path)


def test_a_file_with_a_byte_changed_is_refused(tmp_path: Path) -> None:
    path = save_bundle(SMALL, tmp_path / "a.call")
    data = path.read_bytes()

    for at in range(len(MAGIC), len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with pytest.raises(BadBundle):
            load_bundle(path)


def test_a_file_that_is_not_there_is_an_error_of_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_bundle(tmp_path / "none.call")


def packed(content: object) -> bytes:
    return b"holdfast call 1\n" + zlib.compress(bytes(msgpack.packb(content)))


@pytest.mark.parametrize(
    "content",
    [
        ["CA1", {}, [[b"2-0", b""], [b"1-0", b""]], []],  # ids must rise
        ["CA1", {}, [[b"1-0", b""], [b"1-0", b""]], []],
        ["CA1", {}, [[b"0-0", b""]], []],
        ["CA1", {}, [[b"18446744073709551616-0", b""]], []],
        ["CA1", {}, [[b"*", b""]], []],
        ["CA1", {}, [["1-0", b""]], []],
        ["CA1", {}, [[b"1-0", 5]], []],
        ["CA 1", {}, [], []],
        ["CA1}:x", {}, [], []],
        [b"CA1", {}, [], []],
        ["CA1", {b"state": b"asleep"}, [], []],
        ["CA1", {b"started": b"soon"}, [], []],
        ["CA1", {b"state": 1}, [], []],
        ["CA1", {}, [], [["MZ1", []]]],
        ["CA1", {}, []],
        ["CA1", {b"parameters": b"[" * 100_000}, [], []],
        ["CA1", {b"parameters": b"[]"}, [], []],
        ["CA1", {}, [[b"1-0", bytes(MAX_MESSAGE + 1)]], []],
        ["CA1", [], [], []],
        ["CA1", {}, {}, []],
        [["CA1"], {}, [], []],
        {},
        7,
    ],
)
def test_what_redis_or_we_would_choke_on_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(packed(content))

    with pytest.raises(BadBundle, match="is damaged"):
        load_bundle(path)


def test_further_items_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(packed(["CA1", {}, [[b"1-0", b"", 9]], [["MZ1", [], [], "new"]], "new"]))

    assert load_original(path) == Original("CA1", {}, ((b"1-0", b""),), (OriginalStream("MZ1"),))


def arrays(count: int) -> bytes:
    """A list of so many empty maps: a byte each in a file, 70 in memory."""
    return b"\xdd" + count.to_bytes(4, "big") + b"\x80" * count


@pytest.mark.parametrize(
    "content",
    [
        arrays(2 * 10**7),
        b"\x94" + arrays(10**7),
        b"\x94\xa3CA1\x80" + arrays(10**7) + b"\x90",
        b"\x94\xa3CA1\x80\x91\x92\xc4\x031-0" + arrays(10**7) + b"\x90",
        b"\x94\xa3CA1\x81\xc4\x01a" + arrays(10**7) + b"\x90\x90",
        b"\x94\xa3CA1\x80\xdd\xff\xff\xff\xff",
        b"\x94\xa3CA1\xdf\xff\xff\xff\xff",
    ],
)
def test_a_small_file_takes_no_great_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.call"
    path.write_bytes(b"holdfast call 1\n" + zlib.compress(content))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(BadBundle, match="is damaged"):
            load_bundle(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 2 * 100 * (path.stat().st_size + MAX_MESSAGE)


def test_the_silence_of_hours_is_no_bomb(tmp_path: Path) -> None:
    up = tuple((b"%d-0" % (n + 2), UP.pack(Audio(SILENT_FRAME, 20 * n))) for n in range(20_000))
    call = replace(SMALL, streams=(OriginalStream("MZ1", up),))

    assert load_original(save_bundle(call, tmp_path / "a.call", numbers=True)) == call


JSONISH = st.recursive(
    st.none() | st.integers(-9, 9) | st.binary(max_size=4) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=4), inner),
)


@given(JSONISH)
def test_whatever_arrives_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.call"
    path.write_bytes(packed(content))
    with suppress(BadBundle):  # the only error that load_bundle() documents for a file
        load_bundle(path)


IDS = st.integers(1, 2**64 - 1).map(lambda n: b"%d-0" % n)
ENTRIES_OF = st.dictionaries(IDS, st.binary(max_size=20), max_size=4).map(
    lambda entries: tuple(sorted(entries.items(), key=lambda each: int(each[0][:-2])))
)
FIELDS = st.dictionaries(
    st.sampled_from([b"from", b"agent", b"new"]), st.text("abc+1").map(str.encode)
)
CALLS = st.builds(
    Original,
    st.sampled_from(["CA1", CALL]),
    FIELDS,
    ENTRIES_OF,
    st.lists(
        st.builds(OriginalStream, st.sampled_from(["MZ1", "MZ2"]), ENTRIES_OF, ENTRIES_OF),
        max_size=2,
    ).map(tuple),
)


@given(CALLS, st.integers(0, 400), st.binary(max_size=3))
def test_whatever_is_saved_is_loaded_and_damaged_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, call: Original, at: int, new: bytes
) -> None:
    path = save_bundle(call, tmp_path_factory.getbasetemp() / "saved.call", numbers=True)
    assert load_original(path) == call

    whole = path.read_bytes()
    path.write_bytes(whole[:at] + new + whole[at + 1 :])
    with suppress(BadBundle):
        load_bundle(path)
    content = zlib.decompress(whole[len(MAGIC) + 2 :])  # damaged where no checksum tells
    path.write_bytes(
        whole[: len(MAGIC) + 2] + zlib.compress(content[:at] + new + content[at + 1 :])
    )
    with suppress(BadBundle):
        load_bundle(path)


async def test_a_call_put_in_the_place_of_another_leaves_nothing_of_it(redis: str) -> None:
    await record_call(redis, CALL)
    async with archive(redis) as there:
        await there.restore(replace(SMALL, call_sid=CALL), keep_for_s=60)

    assert await log(redis, CALL) == [Heard("call +15551234567 or 15551234567", 1)]


async def test_what_is_stopped_half_way_leaves_nothing(redis: str) -> None:
    frames = tuple((b"%d-0" % n, b"x" * 100) for n in range(1, 50_000))
    call = replace(SMALL, streams=(OriginalStream("MZ1", frames), OriginalStream("MZ2", frames)))
    with Redis.from_url(redis) as client:
        async with archive(redis) as there:
            restoring = asyncio.create_task(there.restore(call, keep_for_s=60))
            while not client.exists(keys.up(0, "MZ1")):  # noqa: ASYNC110 (Redis tells nobody)
                await asyncio.sleep(0)
            restoring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await restoring

        assert client.keys("*CA1*") + client.keys("*MZ*") + client.keys(keys.INDEX) == []


async def test_what_redis_refuses_leaves_nothing(redis: str) -> None:
    falling = ((b"2-0", b""), (b"0-0", b""))
    async with archive(redis) as there:
        with pytest.raises(Refused):
            await there.restore(replace(SMALL, log=falling), keep_for_s=60)

    with Redis.from_url(redis) as client:
        assert client.keys("*CA1*") == []
