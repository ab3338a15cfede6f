"""Keys become numbers."""

from worker.keypad import MAX_DIGITS, Keypad, pressed


def test_keys_are_gathered() -> None:
    keypad = Keypad()
    assert keypad.is_idle

    assert [keypad.press(key) for key in "12*0"] == [False] * 4

    assert not keypad.is_idle
    assert keypad.take() == "12*0"


def test_a_hash_ends_the_number_and_is_no_part_of_it() -> None:
    keypad = Keypad()

    assert [keypad.press(key) for key in "12#"] == [False, False, True]
    assert keypad.take() == "12"


def test_a_hash_alone_is_no_number() -> None:
    keypad = Keypad()

    assert keypad.press("#")
    assert keypad.take() == ""


def test_each_number_begins_anew() -> None:
    keypad = Keypad()
    keypad.press("1")
    keypad.take()

    assert keypad.is_idle
    keypad.press("2")
    assert keypad.take() == "2"


def test_no_number_is_endless() -> None:
    keypad = Keypad()

    ends = [keypad.press("7") for _ in range(MAX_DIGITS)]

    assert ends == [False] * 31 + [True]


def test_the_agent_is_told_in_words() -> None:
    assert pressed("42") == "(The caller pressed 42 on the keypad.)"
