"""The fuzzers' targets hold for what the protocols say, and raise where something is wrong."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import twilio
from shared.vocabulary import BadMessage
from tests.fuzz.__main__ import HERE, NAMES
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS

SEEDS = sorted((HERE / "corpus").glob("*/*"))
MESSAGES = [seed for seed in SEEDS if seed.suffix == ".json"]


def test_each_target_has_seeds_and_can_be_started_by_its_name() -> None:
    assert set(TARGETS) == set(NAMES) == {seed.parent.name for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.parent.name}-{seed.stem}")
def test_a_message_of_the_protocol_is_no_finding(seed: Path) -> None:
    TARGETS[seed.parent.name](seed.read_bytes())


@given(st.sampled_from(NAMES), st.sampled_from(SEEDS), st.integers(0, 400), st.binary(max_size=3))
def test_nor_is_one_that_was_damaged(name: str, seed: Path, at: int, new: bytes) -> None:
    content = seed.read_bytes()
    TARGETS[name](content[:at] + new + content[at + 1 :])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", [10, 900, 1100, 100_000])
def test_nor_is_json_of_any_depth(name: str, depth: int) -> None:
    TARGETS[name](b'{"event":"start","type":"ConversationText","start":' + b"[" * depth)


def test_a_codec_that_quotes_the_caller_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def quoting(text: str) -> None:
        raise BadMessage(f"twilio: {text}")

    monkeypatch.setattr(twilio, "parse", quoting)

    with pytest.raises(AssertionError):
        TARGETS["twilio"](b"My card has the number 4711 4711 4711 4711")


@given(st.sampled_from(MESSAGES), st.integers(0, 2**32 - 1))
def test_a_message_that_is_changed_stays_json_and_is_no_finding(seed: Path, chance: int) -> None:
    changed = mutated(seed.read_bytes(), Random(chance))

    assert changed
    assert isinstance(json.loads(changed), dict)
    TARGETS[seed.parent.name](changed)


@pytest.mark.parametrize("data", [b"", b"7", b"{}", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_has_no_parts_cannot_be_changed_part_by_part(data: bytes) -> None:
    assert mutated(data, Random(1)) is None


def test_the_same_chance_makes_the_same_change() -> None:
    seed = MESSAGES[-1].read_bytes()

    assert len({mutated(seed, Random(7)) for _ in range(3)}) == 1
    assert len({mutated(seed, Random(chance)) for chance in range(50)}) > 10
