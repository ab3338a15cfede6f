"""What a worker's meters make of a call's log: with literals, and with words of strangers'."""

import pytest

from shared import record
from shared.causes import Cause
from worker.metrics import Meters


def values(meters: Meters) -> dict[str, float]:
    """Of all that is not 0, by name and labels."""
    found = {}
    for family in meters.collect():
        for each in family.samples:
            labels = ",".join(value for name, value in each.labels.items() if name != "le")
            if each.value and not each.name.endswith("_bucket"):
                found[f"{each.name.removeprefix('holdfast_')} {labels}".strip()] = each.value
    return found


def noted(*entries: record.Entry) -> dict[str, float]:
    meters = Meters()
    meters.note(entries)
    return values(meters)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (record.Onset(7, barge_in=True), {"barge_ins_total": 1.0}),
        (record.Onset(7), {}),
        (record.Heard("Hello.", 7), {"caller_turns_total": 1.0}),
        (record.Heard("", 7), {}),  # a noise
        (record.Heard(" ", 7), {}),
        (record.Configured("{}", "request"), {"agent_sessions_total": 1.0}),
        (record.ToolAsked("1", "end_call", "{}", 1, 7), {"functions_asked_total": 1.0}),
        (record.ToolAnswered("1", "end_call", "{}", 7), {"functions_answered_total": 1.0}),
        (record.ToolCancelled("1", "end_call", 7), {"functions_cancelled_total": 1.0}),
        (record.Transferring("+15551230000"), {"transfers_total": 1.0}),
        (record.Pressed("815162342", 7), {}),
        (record.Over("caller hung up"), {}),
    ],
)
def test_an_entry_of_a_log(entry: record.Entry, told: dict[str, float]) -> None:
    assert noted(entry) == told


def test_how_long_an_answer_took() -> None:
    told = noted(record.Answering(1200, 2500, 7), record.Answering(800, 1500, 9))

    assert told == {
        "answer_seconds_count": 2.0,
        "answer_seconds_sum": 2.0,
        "silence_seconds_count": 2.0,
        "silence_seconds_sum": 4.0,
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("http 401", "http 401"),
        ("http 418", "http"),
        ("closed 1011", "closed 1011"),
        ("closed 4711", "closed"),
        ("no pong", "no pong"),
        ("INVALID_SETTINGS", "INVALID_SETTINGS"),
        ("FORCE_END_TURN_UNSUPPORTED", "FORCE_END_TURN_UNSUPPORTED"),
        ("FUNCTION_CALL_FAILED", "FUNCTION_CALL_FAILED"),
        ("GPT_4O_STREAM_END_ERROR", "GPT_4O_STREAM_END_ERROR"),
        ("VOICE_PROMPT_ADDED", "VOICE_PROMPT_ADDED"),
        ("WHAT_NOBODY_HAS_HEARD_OF", "other"),
    ],
)
def test_what_agents_fail_of_is_told_in_words_of_ours(code: str, reason: str) -> None:
    told = noted(record.Trouble("agent", code, fatal=False))

    assert told == {f"agent_troubles_total {reason}": 1.0}


def test_an_edges_trouble_is_no_agents() -> None:
    assert noted(record.Trouble("edge", "no worker", fatal=False)) == {}


def test_of_deepgrams_own_account_the_stages_that_we_know() -> None:
    told = noted(record.Latency({"tts_latency": 0.5, "x_latency": 9.0}, 7))

    assert told == {
        "agent_latency_seconds_count tts": 1.0,
        "agent_latency_seconds_sum tts": 0.5,
    }


def test_where_calls_come_from_and_why_they_end() -> None:
    meters = Meters()
    meters.claimed(is_takeover=False)
    meters.claimed(is_takeover=True)
    for cause in ("caller hung up", "", Cause.INTERNAL_ERROR, "said by a stranger"):
        meters.ended(cause)

    assert values(meters) == {
        "calls_claimed_total an edge": 1.0,
        "calls_claimed_total another worker": 1.0,
        "calls_ended_total caller hung up": 1.0,
        "calls_ended_total another worker's": 1.0,
        "calls_ended_total internal error": 1.0,
        "calls_ended_total other": 1.0,
    }
