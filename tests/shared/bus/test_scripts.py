"""The scripts, each by itself: what they answer, and what they leave in Redis."""

import time
from typing import Any

import pytest

from shared import keys
from shared.bus.script import Script
from shared.bus.scripts import (
    ABANDON,
    ALL,
    APPEND,
    CLAIM,
    DISPATCH,
    REINSTATE,
    RENEW,
    RETIRE,
)
from tests.shared.bus.help import Peek

FRESH = 10**9  # a claimer may have heard from Redis this long ago, ms
NEVER = -1
LEASE = 60_000  # far above what a test takes
TTL = 3600


@pytest.fixture
def calls(peek: Peek) -> Peek:
    peek("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0", "MKSTREAM")
    return peek


def now_ms(client: Peek) -> int:
    seconds, micros = client("TIME")
    return int(seconds * 1000 + micros // 1000)


def run(client: Peek, script: Script, names: list[str], *args: Any) -> Any:
    assert len(names) == script.keys
    return client("EVAL", script.lua, script.keys, *names, *args)


def dispatch(
    client: Peek, call_sid: str, sessions: int = 100, caller: str = "", most: int = 0
) -> tuple[str, str]:
    names = [keys.DISPATCH, keys.EPOCHS, keys.WORKERS, keys.INDEX]
    arguments = (call_sid, "entry", sessions, 3000, 86_400_000, caller, most)
    outcome, worker, _, _ = run(client, DISPATCH, names, *arguments)
    return outcome.decode(), worker.decode()


def claim(client: Peek, process: str, lease: int = NEVER, heard: int | None = None) -> list[Any]:
    """[] or [entry id, CallSid, epoch, whether taken over]."""
    heard_ms, fresh = (now_ms(client), FRESH) if heard is None else (heard, 700)
    names = [keys.DISPATCH, keys.EPOCHS]
    answer = run(client, CLAIM, names, process, keys.GROUP, heard_ms, fresh, lease, 1)[1:]
    if not answer:
        return []
    entry_id, call_sid, entry, epoch, taken = answer
    assert entry == b"entry"
    return [entry_id, call_sid.decode(), int(epoch), taken == b"1"]


def renew(
    client: Peek, process: str, *ids: bytes, places: int = 10, serving: int = 0, draining: int = 0
) -> set[bytes]:
    names = [keys.DISPATCH, keys.WORKERS]
    _, lost, missing = run(
        client, RENEW, names, process, keys.GROUP, places, serving, draining, *ids
    )
    assert not set(lost) & set(missing)
    return set(lost) | set(missing)


def missing(client: Peek, process: str, *ids: bytes) -> set[bytes]:
    """What a renewal says that Redis has forgotten."""
    names = [keys.DISPATCH, keys.WORKERS]
    return set(run(client, RENEW, names, process, keys.GROUP, 10, len(ids), 0, *ids)[2])


def reinstate(client: Peek, process: str, call_sid: str, epoch: int) -> bytes:
    names = [keys.DISPATCH, keys.EPOCHS, keys.INDEX]
    began_ms = 1_700_000_000_000
    arguments = (call_sid, "entry", epoch, process, keys.GROUP, "released", began_ms, "+1")
    entry_id: bytes = run(client, REINSTATE, names, *arguments)
    return entry_id


def pending(client: Peek) -> dict[bytes, bytes]:
    """Entry id -> the worker that has it."""
    names = (keys.DISPATCH, keys.GROUP)
    found = client("XPENDING", *names, "-", "+", 100, parse_detail=True)
    return {entry["message_id"]: entry["consumer"] for entry in found}


def append(client: Peek, epoch: int, writer: str, first: int, *entries: str) -> int:
    names = ["{0}:log:CA1", "{0}:call:CA1"]
    added: int = run(client, APPEND, names, epoch, writer, first, TTL, *entries)
    return added


def log_of(client: Peek) -> list[str]:
    entries = client("XRANGE", "{0}:log:CA1", "-", "+")
    return [fields[b""].decode() for _, fields in entries]


def test_a_script_is_named_by_its_digest(peek: Peek) -> None:
    for script in ALL:
        assert peek("SCRIPT LOAD", script.lua) in (script.sha, script.sha.encode())


# -- dispatch --------------------------------------------------------------------------


def test_a_new_call_is_offered_to_the_workers(calls: Peek) -> None:
    renew(calls, "w1")

    assert dispatch(calls, "CA1") == ("new", "w1")
    ((_, fields),) = calls("XRANGE", keys.DISPATCH, "-", "+")
    assert fields == {b"CA1": b"entry"}
    assert calls("HGETALL", keys.EPOCHS) == {b"CA1": b"0"}
    assert calls("ZRANGE", keys.INDEX, 0, -1) == [b"CA1"]


def test_a_known_call_is_not_offered_twice(calls: Peek) -> None:
    renew(calls, "w1")
    dispatch(calls, "CA1")

    assert dispatch(calls, "CA1") == ("known", "")
    assert calls("XLEN", keys.DISPATCH) == 1


def test_a_known_call_is_known_although_all_is_full(calls: Peek) -> None:
    renew(calls, "w1", places=1)
    dispatch(calls, "CA1")

    assert dispatch(calls, "CA1") == ("known", "")


def test_a_call_whose_entry_is_lost_is_dispatched_again(calls: Peek) -> None:
    renew(calls, "w1", places=1)
    dispatch(calls, "CA1")
    _, _, epoch, _ = claim(calls, "w1")
    renew(calls, "w1", places=1, serving=1)
    for entry_id in pending(calls):
        calls("XACK", keys.DISPATCH, keys.GROUP, entry_id)
        calls("XDEL", keys.DISPATCH, entry_id)

    assert dispatch(calls, "CA1") == ("new", "w1")  # although no place is free
    assert dispatch(calls, "CA1") == ("known", "")
    _, _, newer, is_takeover = claim(calls, "w2")
    assert newer > epoch
    assert is_takeover


def test_without_a_worker_a_call_waits_unserved(calls: Peek) -> None:
    assert dispatch(calls, "CA1") == ("unserved", "")
    assert claim(calls, "w1")[1] == "CA1"


def test_a_fleet_is_full_when_its_places_are(calls: Peek) -> None:
    renew(calls, "w1", places=1)
    renew(calls, "w2", places=1)
    outcomes = [dispatch(calls, f"CA{number}")[0] for number in range(3)]

    assert outcomes == ["new", "new", "full"]
    assert calls("XLEN", keys.DISPATCH) == 2
    assert calls("HEXISTS", keys.EPOCHS, "CA2") in (0, False)


def test_a_fleet_is_full_when_the_account_is(calls: Peek) -> None:
    renew(calls, "w1")

    assert [dispatch(calls, f"CA{n}", sessions=1)[0] for n in range(2)] == ["new", "full"]


def test_where_no_worker_lives_nothing_is_full_and_nobody_has_too_many_calls(calls: Peek) -> None:
    renew(calls, "w1")
    outcomes = [dispatch(calls, f"CA{n}", 1, "+1", 1)[0] for n in range(2)]
    calls("HSET", keys.WORKERS, "w1", f"10 1 0 {now_ms(calls) - 4000}")  # it has died
    outcomes += [dispatch(calls, f"CB{n}", 1, "+1", 1)[0] for n in range(2)]

    assert outcomes == ["new", "full", "unserved", "unserved"]


def test_calls_of_a_worker_that_leaves_take_up_the_account(calls: Peek) -> None:
    renew(calls, "w1")
    assert dispatch(calls, "CA1", sessions=1) == ("new", "w1")
    renew(calls, "w1", places=0, serving=1, draining=1)

    assert dispatch(calls, "CA2", sessions=1) == ("full", "")


def test_a_caller_has_only_so_many_calls_at_once(calls: Peek) -> None:
    renew(calls, "w1")
    outcomes = [dispatch(calls, f"CA{n}", caller="+1", most=2)[0] for n in range(3)]

    assert outcomes == ["new", "new", "crowded"]
    assert dispatch(calls, "CA9", caller="+2", most=2) == ("new", "w1")
    assert dispatch(calls, "CA1", caller="+1", most=2) == ("known", "")
    assert calls("XLEN", keys.DISPATCH) == 3
    assert calls("HEXISTS", keys.EPOCHS, "CA2") in (0, False)
    assert calls("ZSCORE", keys.INDEX, "CA2") is None


def test_a_caller_whose_call_is_over_may_call_again(calls: Peek) -> None:
    renew(calls, "w1")
    dispatch(calls, "CA1", caller="+1", most=1)
    entry_id = claim(calls, "w1")[0]
    assert dispatch(calls, "CA2", caller="+1", most=1) == ("crowded", "")
    calls("XDEL", keys.DISPATCH, entry_id)

    assert dispatch(calls, "CA2", caller="+1", most=1) == ("new", "w1")


def test_a_reinstated_call_counts_for_its_caller(calls: Peek) -> None:
    renew(calls, "w1")
    reinstate(calls, "w1", "CA1", 5)

    assert dispatch(calls, "CA2", caller="+1", most=1) == ("crowded", "")


def test_callers_are_not_counted_without_a_number_or_a_limit(calls: Peek) -> None:
    renew(calls, "w1")
    nobody = [dispatch(calls, f"CA{n}", caller="", most=1)[0] for n in range(3)]
    somebody = [dispatch(calls, f"CB{n}", caller="+1", most=0)[0] for n in range(3)]

    assert nobody == somebody == ["new"] * 3


def test_a_place_is_free_again_after_a_call(calls: Peek) -> None:
    renew(calls, "w1", places=1)
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]
    calls("XACK", keys.DISPATCH, keys.GROUP, entry_id)
    calls("XDEL", keys.DISPATCH, entry_id)
    renew(calls, "w1", places=1)

    assert dispatch(calls, "CA2") == ("new", "w1")


def test_the_worker_with_most_room_is_told(calls: Peek) -> None:
    renew(calls, "w1", places=10, serving=7)
    renew(calls, "w2", places=10, serving=2)
    renew(calls, "w3", places=4)

    assert dispatch(calls, "CA1") == ("new", "w2")


def test_a_burst_is_spread_before_anyone_has_renewed(calls: Peek) -> None:
    renew(calls, "w1", places=3)
    renew(calls, "w2", places=3)
    told = [dispatch(calls, f"CA{number}")[1] for number in range(6)]

    assert sorted(told) == ["w1"] * 3 + ["w2"] * 3


def test_a_draining_worker_does_not_count(calls: Peek) -> None:
    renew(calls, "w1", places=10, draining=1)
    assert dispatch(calls, "CA1") == ("unserved", "")

    renew(calls, "w2", places=2, serving=1)
    assert dispatch(calls, "CA2") == ("new", "w2")
    assert dispatch(calls, "CA3") == ("full", "")


def test_a_silent_worker_does_not_count_and_is_forgotten(calls: Peek) -> None:
    now = now_ms(calls)
    calls("HSET", keys.WORKERS, "silent", f"10 0 0 {now - 4000}")
    calls("HSET", keys.WORKERS, "gone", f"10 0 0 {now - 61_000}")

    assert dispatch(calls, "CA1") == ("unserved", "")
    assert calls("HKEYS", keys.WORKERS) == [b"silent"]


def test_recordings_that_expired_leave_the_index(calls: Peek) -> None:
    now = now_ms(calls)
    calls("ZADD", keys.INDEX, now - 86_400_000 - 5000, "old")
    calls("ZADD", keys.INDEX, now - 86_400_000 + 5000, "young")
    dispatch(calls, "CA1")

    assert calls("ZRANGE", keys.INDEX, 0, -1) == [b"young", b"CA1"]


# -- claim -----------------------------------------------------------------------------


def test_nothing_to_claim(calls: Peek) -> None:
    assert claim(calls, "w1", lease=0) == []


def test_the_oldest_call_comes_first(calls: Peek) -> None:
    for call_sid in ("CA1", "CA2", "CA3"):
        dispatch(calls, call_sid)

    assert [claim(calls, "w1")[1] for _ in range(3)] == ["CA1", "CA2", "CA3"]


def test_two_claimers_never_get_the_same_call(calls: Peek) -> None:
    dispatch(calls, "CA1")
    dispatch(calls, "CA2")
    first, second, third = claim(calls, "w1"), claim(calls, "w2"), claim(calls, "w3")

    assert (first[1], second[1], third) == ("CA1", "CA2", [])
    assert pending(calls) == {first[0]: b"w1", second[0]: b"w2"}


def test_the_first_epoch_is_the_time(calls: Peek) -> None:
    dispatch(calls, "CA1")
    before = now_ms(calls)

    assert before <= claim(calls, "w1")[2] <= now_ms(calls)


def test_the_epoch_rises_with_each_claim_even_if_the_clock_does_not(calls: Peek) -> None:
    ahead = now_ms(calls) + 10**6
    dispatch(calls, "CA1")
    calls("HSET", keys.EPOCHS, "CA1", ahead)
    epochs = [claim(calls, "w1")[2], claim(calls, "w2", lease=0)[2], claim(calls, "w1", lease=0)[2]]

    assert epochs == [ahead + 1, ahead + 2, ahead + 3]
    assert calls("HGET", keys.EPOCHS, "CA1") == b"%d" % (ahead + 3)


def test_a_claimer_that_stalled_gets_nothing(calls: Peek) -> None:
    dispatch(calls, "CA1")

    assert claim(calls, "w1", heard=0) == []
    assert claim(calls, "w1", heard=now_ms(calls) - 800) == []
    assert claim(calls, "w1", heard=now_ms(calls))[1] == "CA1"


def test_a_call_is_taken_over_only_after_the_lease(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id, _, epoch, _ = claim(calls, "w1")

    assert claim(calls, "w2", lease=LEASE) == []
    time.sleep(0.02)
    taken = claim(calls, "w2", lease=10)
    assert taken == [entry_id, "CA1", taken[2], True]
    assert taken[2] > epoch
    assert pending(calls) == {entry_id: b"w2"}


def test_a_renewed_call_is_not_taken_over(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]
    time.sleep(0.3)
    renew(calls, "w1", entry_id)

    assert claim(calls, "w2", lease=300) == []


def test_a_call_whose_claim_went_unheard_is_claimed_again(calls: Peek) -> None:
    """The answer was lost on the way: the call is pending for a worker that does not serve it."""
    dispatch(calls, "CA1")
    first = claim(calls, "w1")
    time.sleep(0.02)

    again = claim(calls, "w1", lease=10)

    assert again[:2] == first[:2]
    assert again[2] > first[2]


def test_a_new_call_comes_before_an_abandoned_one(calls: Peek) -> None:
    dispatch(calls, "CA1")
    claim(calls, "w1")
    dispatch(calls, "CA2")
    time.sleep(0.02)

    assert [claim(calls, "w2", lease=10)[1:4:2] for _ in range(2)] == [
        ["CA2", False],
        ["CA1", True],
    ]


def test_two_heirs_get_one_call_each(calls: Peek) -> None:
    for call_sid in ("CA1", "CA2"):
        dispatch(calls, call_sid)
        claim(calls, "w1")
    time.sleep(0.05)
    heirs = [claim(calls, process, lease=50) for process in ("w2", "w3", "w4")]

    assert [heir[1] if heir else "" for heir in heirs] == ["CA1", "CA2", ""]


# -- renew -----------------------------------------------------------------------------


def test_a_worker_is_listed_with_its_room_and_beat(calls: Peek) -> None:
    before = now_ms(calls)
    renew(calls, "w1", places=40, serving=3, draining=1)

    places, serving, draining, beat = calls("HGET", keys.WORKERS, "w1").split()
    assert (places, serving, draining) == (b"40", b"3", b"1")
    assert before <= int(beat) <= now_ms(calls)


def test_renewing_tells_exactly_what_was_lost_and_steals_nothing_back(calls: Peek) -> None:
    for number in range(4):
        dispatch(calls, f"CA{number}")
    ids = [claim(calls, "w1")[0] for _ in range(4)]
    time.sleep(0.3)
    taken = [claim(calls, "w2", lease=250)[0] for _ in range(2)]

    assert taken == ids[:2]
    assert renew(calls, "w1", *ids) == set(taken)
    assert pending(calls) == dict(zip(ids, [b"w2", b"w2", b"w1", b"w1"], strict=True))


def forget_all(client: Peek) -> None:
    client("DEL", keys.DISPATCH, keys.EPOCHS)
    client("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0", "MKSTREAM")


def test_an_entry_that_redis_lost_is_missing(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]
    forget_all(calls)

    assert missing(calls, "w1", entry_id) == {entry_id}


def test_an_entry_whose_claim_redis_lost_is_missing(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]
    calls("XGROUP", "DESTROY", keys.DISPATCH, keys.GROUP)
    calls("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0")

    assert missing(calls, "w1", entry_id) == {entry_id}


def test_an_entry_of_anothers_is_not_missing(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]
    time.sleep(0.02)
    claim(calls, "w2", lease=10)

    assert missing(calls, "w1", entry_id) == set()
    assert renew(calls, "w1", entry_id) == {entry_id}


# -- reinstate -------------------------------------------------------------------------


def test_a_call_whose_entry_is_lost_is_its_owners_again(calls: Peek) -> None:
    dispatch(calls, "CA1")
    _, _, epoch, _ = claim(calls, "w1")
    forget_all(calls)
    entry_id = reinstate(calls, "w1", "CA1", epoch)

    assert pending(calls) == {entry_id: b"w1"}
    assert calls("HGET", keys.EPOCHS, "CA1") == b"%d" % epoch
    assert renew(calls, "w1", entry_id) == set()
    assert claim(calls, "w2", lease=LEASE) == []
    time.sleep(0.02)
    taken = claim(calls, "w2", lease=10)
    assert taken == [entry_id, "CA1", taken[2], True]
    assert taken[2] > epoch


def test_a_call_whose_claim_is_lost_is_its_owners_again(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id, _, epoch, _ = claim(calls, "w1")
    calls("XGROUP", "DESTROY", keys.DISPATCH, keys.GROUP)
    calls("XGROUP", "CREATE", keys.DISPATCH, keys.GROUP, "0")

    assert reinstate(calls, "w1", "CA1", epoch) == entry_id
    assert pending(calls) == {entry_id: b"w1"}
    assert claim(calls, "w2", lease=LEASE) == []


def test_an_entry_that_was_acknowledged_by_mistake_is_its_owners_again(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id, _, epoch, _ = claim(calls, "w1")
    calls("XACK", keys.DISPATCH, keys.GROUP, entry_id)

    assert missing(calls, "w1", entry_id) == {entry_id}
    assert reinstate(calls, "w1", "CA1", epoch) == entry_id


def test_to_reinstate_twice_is_to_do_it_once(calls: Peek) -> None:
    first = reinstate(calls, "w1", "CA1", 5)

    assert reinstate(calls, "w1", "CA1", 5) == first
    assert calls("XLEN", keys.DISPATCH) == 1


def test_new_calls_before_it_are_still_anybodys(calls: Peek) -> None:
    dispatch(calls, "CA1")
    dispatch(calls, "CA2")
    mine = reinstate(calls, "w1", "CA9", now_ms(calls))
    dispatch(calls, "CA3")
    claims = [claim(calls, "w2", lease=12 * 3600 * 1000) for _ in range(4)]

    assert [(each[1], each[3]) for each in claims if each] == [
        ("CA3", False),
        ("CA1", False),
        ("CA2", False),
    ]
    assert pending(calls)[mine] == b"w1"


def test_a_call_that_another_has_claimed_meanwhile_is_lost(calls: Peek) -> None:
    dispatch(calls, "CA1")
    _, _, epoch, _ = claim(calls, "w1")
    forget_all(calls)
    time.sleep(0.01)
    dispatch(calls, "CA1")
    entry_id, *_ = claim(calls, "w2")

    assert reinstate(calls, "w1", "CA1", epoch) == b""
    assert pending(calls) == {entry_id: b"w2"}


def test_a_call_that_another_has_had_and_released_is_lost(calls: Peek) -> None:
    dispatch(calls, "CA1")
    _, _, epoch, _ = claim(calls, "w1")
    forget_all(calls)
    time.sleep(0.01)
    dispatch(calls, "CA1")
    claim(calls, "w2")
    forget_pending(calls)

    assert reinstate(calls, "w1", "CA1", epoch) == b""


def forget_pending(client: Peek) -> None:
    (entry_id,) = pending(client)
    client("XCLAIM", keys.DISPATCH, keys.GROUP, "released", 0, entry_id, "IDLE", 86_400_000)


def test_an_edge_s_new_dispatch_of_a_lost_call_is_its_owners(calls: Peek) -> None:
    dispatch(calls, "CA1")
    _, _, epoch, _ = claim(calls, "w1")
    forget_all(calls)
    dispatch(calls, "CA1")
    reinstate(calls, "w1", "CA1", epoch)

    assert calls("XLEN", keys.DISPATCH) == 1
    assert list(pending(calls).values()) == [b"w1"]


def test_a_recording_is_listed_again(calls: Peek) -> None:
    reinstate(calls, "w1", "CA1", 5)

    assert calls("ZSCORE", keys.INDEX, "CA1") == 1_700_000_000_000


# -- abandon ---------------------------------------------------------------------------


def abandon(client: Peek, call_sid: str) -> int:
    done: int = run(client, ABANDON, [keys.DISPATCH, keys.EPOCHS], call_sid, keys.GROUP)
    return done


def test_a_call_that_nobody_has_had_takes_no_place_once_it_is_abandoned(calls: Peek) -> None:
    dispatch(calls, "CA1")
    dispatch(calls, "CA2")

    assert [abandon(calls, "CA1"), abandon(calls, "CA1")] == [1, 0]
    assert claim(calls, "w1")[1] == "CA2"
    assert calls("XLEN", keys.DISPATCH) == 1
    assert calls("HKEYS", keys.EPOCHS) == [b"CA2"]


def test_one_that_was_put_aside_unclaimed_is_taken_off_too(calls: Peek) -> None:
    dispatch(calls, "CA1")
    reinstate(calls, "w1", "CA9", now_ms(calls))
    abandon(calls, "CA1")

    assert list(pending(calls).values()) == [b"w1"]
    assert calls("XLEN", keys.DISPATCH) == 1


def test_a_call_that_somebody_has_or_had_is_not_anybodys_to_take_off(calls: Peek) -> None:
    dispatch(calls, "CA1")
    entry_id = claim(calls, "w1")[0]

    assert abandon(calls, "CA1") == 0
    assert pending(calls) == {entry_id: b"w1"}
    assert calls("HEXISTS", keys.EPOCHS, "CA1")


def test_a_call_that_was_never_dispatched_cannot_be_abandoned(calls: Peek) -> None:
    assert abandon(calls, "CA1") == 0


# -- renewals of many ------------------------------------------------------------------


def test_what_is_not_served_is_not_renewed(calls: Peek) -> None:
    dispatch(calls, "CA1")
    dispatch(calls, "CA2")
    served, left = claim(calls, "w1")[0], claim(calls, "w1")[0]
    time.sleep(0.3)
    renew(calls, "w1", served)

    assert claim(calls, "w2", lease=300)[0] == left
    assert claim(calls, "w2", lease=300) == []


def test_hundreds_of_calls_are_renewed_at_once(calls: Peek) -> None:
    for number in range(300):
        dispatch(calls, f"CA{number}", sessions=1000)
    ids = [claim(calls, "w1")[0] for _ in range(300)]

    assert renew(calls, "w1", *ids) == set()


# -- retire ----------------------------------------------------------------------------


def retire(client: Peek, process: str) -> None:
    run(client, RETIRE, [keys.DISPATCH, keys.WORKERS], process, keys.GROUP)


def consumers(client: Peek) -> list[bytes]:
    found = client("XINFO CONSUMERS", keys.DISPATCH, keys.GROUP)
    return [each["name"] for each in found]


def test_a_retired_worker_leaves_nothing(calls: Peek) -> None:
    renew(calls, "w1")
    claim(calls, "w1")
    retire(calls, "w1")

    assert calls("HGETALL", keys.WORKERS) == {}
    assert consumers(calls) == []


def test_a_call_that_a_retired_worker_still_had_can_be_taken_over(calls: Peek) -> None:
    """Removing a consumer of a group removes what is pending for it: nobody would serve it."""
    dispatch(calls, "CA1")
    claim(calls, "w1")
    retire(calls, "w1")
    time.sleep(0.02)

    assert claim(calls, "w2", lease=10)[1] == "CA1"


def test_who_died_long_ago_is_taken_off_with_the_next_that_retires(calls: Peek) -> None:
    """A consumer's last sign of life cannot be set: the hour is one second here."""
    for process in ("dead", "lately", "w1"):
        calls("XGROUP", "CREATECONSUMER", keys.DISPATCH, keys.GROUP, process)
        time.sleep(0.15)
    dispatch(calls, "CA1")
    claim(calls, "owes")
    time.sleep(0.15)
    soon = Script(RETIRE.lua.replace("3600000", "400"), RETIRE.keys)
    calls("XREADGROUP", "GROUP", keys.GROUP, "lately", "STREAMS", keys.DISPATCH, ">")
    run(calls, soon, [keys.DISPATCH, keys.WORKERS], "w1", keys.GROUP)

    assert sorted(consumers(calls)) == [b"lately", b"owes"]


# -- append ----------------------------------------------------------------------------


def test_entries_are_appended_in_order(peek: Peek) -> None:
    assert append(peek, 5, "w1.5", 1, "a", "b") == 2
    assert append(peek, 5, "w1.5", 3, "c") == 1
    assert log_of(peek) == ["a", "b", "c"]


def test_the_owner_is_written_with_its_first_word(peek: Peek) -> None:
    append(peek, 5, "w1.5", 1, "a")

    assert peek("HMGET", "{0}:call:CA1", "owner", "epoch") == [b"w1.5", b"5"]


def test_what_is_sent_twice_is_appended_once(peek: Peek) -> None:
    append(peek, 5, "w1.5", 1, "a", "b")

    assert append(peek, 5, "w1.5", 1, "a", "b") == 0
    assert append(peek, 5, "w1.5", 2, "b", "c") == 1
    assert log_of(peek) == ["a", "b", "c"]


def test_each_writer_counts_for_himself(peek: Peek) -> None:
    append(peek, 0, "edge-1", 1, "a")
    append(peek, 5, "w1.5", 1, "b")
    append(peek, 0, "edge-2", 1, "c")

    assert log_of(peek) == ["a", "b", "c"]


def test_numbers_may_leave_gaps(peek: Peek) -> None:
    append(peek, 0, "edge-1", 1, "a")
    append(peek, 0, "edge-1", 7, "b")

    assert append(peek, 0, "edge-1", 7, "b") == 0
    assert log_of(peek) == ["a", "b"]


def test_a_newer_epoch_fences_the_older(peek: Peek) -> None:
    append(peek, 5, "w1.5", 1, "a")
    append(peek, 6, "w2.6", 1, "b")

    assert append(peek, 5, "w1.5", 2, "late") == -1
    assert log_of(peek) == ["a", "b"]
    assert peek("HGET", "{0}:call:CA1", "owner") == b"w2.6"


def test_an_edge_is_never_fenced(peek: Peek) -> None:
    append(peek, 6, "w2.6", 1, "a")

    assert append(peek, 0, "edge-1", 1, "b") == 1
    assert peek("HMGET", "{0}:call:CA1", "owner", "epoch") == [b"w2.6", b"6"]


def test_epochs_are_compared_as_numbers(peek: Peek) -> None:
    append(peek, 999_999_999_999, "w1.1", 1, "a")

    assert append(peek, 1_700_000_000_000, "w2.2", 1, "b") == 1


def test_a_log_has_an_hour_to_live(peek: Peek) -> None:
    append(peek, 0, "edge-1", 1, "a")

    assert peek("TTL", "{0}:log:CA1") == TTL
    assert peek("TTL", "{0}:call:CA1") == TTL


def test_a_late_word_does_not_change_how_long_a_recording_stays(peek: Peek) -> None:
    append(peek, 5, "w1.5", 1, "a")
    peek("HSET", "{0}:call:CA1", "state", "ended")
    for name in ("{0}:log:CA1", "{0}:call:CA1"):
        peek("EXPIRE", name, 86_400)
    append(peek, 0, "edge-1", 1, "b")

    assert peek("TTL", "{0}:log:CA1") == 86_400
    assert peek("TTL", "{0}:call:CA1") == 86_400


def test_a_late_word_about_a_forgotten_call_is_forgotten_in_time(peek: Peek) -> None:
    append(peek, 0, "edge-1", 1, "b")

    assert peek("TTL", "{0}:call:CA1") == TTL
