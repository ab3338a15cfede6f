"""What a caller is told whom nobody can serve, and files with TwiML of the operator's own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import twiml
from edge.answers import Answers, read_answers
from shared.settings import BadSetting, read
from sim.phone.twiml import Hangup, Say, parse
from sim.stack import ROOT

DIAL = '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Dial>+15550009999</Dial></Response>\n'


def answers(folder: Path, key: str, content: bytes) -> Answers:
    path = folder / "document.xml"
    path.write_bytes(content)
    return read_answers(read({key: str(path)}))


def test_without_files_a_line_is_said_and_the_phone_put_down() -> None:
    usual = read_answers(read({}))

    assert parse(usual.busy) == (Say(twiml.BUSY), Hangup())
    assert parse(usual.fallback) == (Say(twiml.APOLOGY), Hangup())
    assert parse(usual.after_apology) == (Hangup(),)


def test_a_file_is_passed_on_as_it_stands(tmp_path: Path) -> None:
    busy = answers(tmp_path, "BUSY_TWIML", DIAL.encode())
    fallback = answers(tmp_path, "FALLBACK_TWIML", DIAL.encode())

    assert (busy.busy, busy.fallback) == (DIAL, Answers().fallback)
    assert (fallback.busy, fallback.fallback) == (Answers().busy, DIAL)
    assert fallback.after_apology == DIAL


def test_what_only_twilio_knows_is_left_to_twilio(tmp_path: Path) -> None:
    document = "<Response><Enqueue waitUrl='/w'>Größe &amp; mehr</Enqueue></Response>"

    assert answers(tmp_path, "BUSY_TWIML", document.encode()).busy == document


@pytest.mark.parametrize("key", ["BUSY_TWIML", "FALLBACK_TWIML"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no well-formed XML"),
        (b"All our lines are busy.", "no well-formed XML"),
        (b"<Response><Say>a</Response>", "no well-formed XML"),
        (b"<response/>", "its root must be <Response>, not <response>"),
        (b"<html><body/></html>", "its root must be <Response>, not <html>"),
        (b"<Response><Say>\xe4</Say></Response>", "must be UTF-8"),
        (b"<Response><Say>" + b"a" * 65536 + b"</Say></Response>", "larger than 64 KiB"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_key(
    tmp_path: Path, key: str, content: bytes, told: str
) -> None:
    with pytest.raises(BadSetting, match=f"^{key}: .*{told}"):
        answers(tmp_path, key, content)


def test_the_line_for_who_waits_may_be_a_sound_of_the_operators(tmp_path: Path) -> None:
    own = answers(tmp_path, "HOLD_SOUND", b"\x7f" * 8000)

    assert own == replace(Answers(), hold=b"\x7f" * 8000)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "must be bare mu-law, 8 kHz: this file has a header"),
        (b"ID3\x04", "must be bare mu-law, 8 kHz: this file has a header"),
    ],
)
def test_a_sound_that_would_be_noise_is_refused_with_its_key(
    tmp_path: Path, content: bytes, told: str
) -> None:
    with pytest.raises(BadSetting, match=f"^HOLD_SOUND: {told}"):
        answers(tmp_path, "HOLD_SOUND", content)


def test_a_sound_that_cannot_be_read_is_refused_with_its_key(tmp_path: Path) -> None:
    settings = replace(read({}), hold_sound=str(tmp_path / "gone.ulaw"))

    with pytest.raises(BadSetting, match=r"^HOLD_SOUND: cannot be read \(FileNotFoundError\)"):
        read_answers(settings)


def test_an_edge_with_such_a_file_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    path.write_text("<Reply/>")
    done = subprocess.run(
        [sys.executable, "-m", "edge"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "BUSY_TWIML": str(path),
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "edge: BUSY_TWIML: its root must be <Response>, not <Reply>\n"


DOCUMENTS = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        ["<Response>", "</Response>", "<Say>", "</Say>", "<!DOCTYPE a [", "<!ENTITY b 'c'>", "]>"]
    )
    | st.sampled_from(
        ["&b;", "&#0;", "<?xml version='1.0' encoding='utf-16'?>", "<a b='c'/>", "x", "\x00"]
    ),
    max_size=12,
).map(lambda parts: "".join(parts).encode())


@given(DOCUMENTS)
def test_whatever_a_file_holds_is_taken_as_it_is_or_refused_with_its_key(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    try:
        taken = answers(tmp_path_factory.getbasetemp(), "BUSY_TWIML", content)
    except BadSetting as refusal:
        assert str(refusal).startswith("BUSY_TWIML: ")  # noqa: PT017 - both ways are right
    else:
        assert taken.busy.encode() == content
