"""The demonstration's verdict: what must be so, and that it shows when it is not."""

import pytest

from replay.recording import Recording
from shared.record import Entry, ToolAnswered, Transferring
from sim.agent.script import Script, ScriptedCall, Turn
from sim.phone.record import CallResult
from sim.verdict import judge

SCRIPT = Script(
    (
        Turn("Book.", call=(ScriptedCall("book"),)),
        Turn("Call me.", call=(ScriptedCall("collect_digits"),), press="12#"),
        Turn("The host.", call=(ScriptedCall("transfer_call"),)),
    )
)
LOG: list[Entry] = [
    ToolAnswered("a", "book", "booked", 1),
    ToolAnswered("b", "collect_digits", '{"digits": "12"}', 2),
    Transferring("+15550142", 3),
    ToolAnswered("c", "transfer_call", '{"ok": true}', 3),
]
FOUND = (
    "book was called",
    "collect_digits was called",
    "transfer_call was called",
    "the keys 12 reached",
    "the carrier dialled",
)


def bad(log: list[Entry], *dialled: str) -> set[str]:
    """What of these was not as it must be."""
    result = CallResult("CA1", dialled=list(dialled))
    recording = Recording("CA1", log=tuple((0, entry) for entry in log))
    findings = judge(result, recording, SCRIPT)
    told = {start: [f for f in findings if f.what.startswith(start)] for start in FOUND}
    assert all(len(found) == 1 for found in told.values())
    return {start for start, (finding,) in told.items() if not finding.is_good}


def test_all_is_well() -> None:
    assert bad(LOG, "+15550142") == set()


@pytest.mark.parametrize(
    ("answer", "missed"),
    [
        (ToolAnswered("a", "book", '{"error": "full"}', 1), {"book was called"}),
        (ToolAnswered("b", "collect_digits", '{"digits": "1"}', 1), {"the keys 12 reached"}),
    ],
)
def test_a_wrong_answer_shows(answer: ToolAnswered, missed: set[str]) -> None:
    log = [answer if getattr(each, "id", "") == answer.id else each for each in LOG]

    assert bad(log, "+15550142") == missed


def test_a_function_that_ran_twice_or_not_at_all_shows() -> None:
    assert bad([*LOG, LOG[0]], "+15550142") == {"book was called"}
    assert bad(LOG[1:], "+15550142") == {"book was called"}


@pytest.mark.parametrize("dialled", [[], ["+15550199"], ["+15550142", "+15550142"]])
def test_a_transfer_that_the_carrier_did_not_dial_shows(dialled: list[str]) -> None:
    assert bad(LOG, *dialled) == {"the carrier dialled"}


def test_what_the_script_does_not_have_is_not_asked_for() -> None:
    findings = judge(CallResult("CA1"), Recording("CA1"), Script((Turn("Hello."),)))

    assert not any(f.what.startswith(start) for f in findings for start in FOUND)
    assert not any("barge-in" in finding.what for finding in findings)
