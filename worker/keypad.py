"""Keys that the caller presses, gathered into numbers: up to `#`, or to a pause."""

from collections.abc import Mapping
from dataclasses import dataclass

# Keys pressed within this time of each other are one number.
PAUSE_S = 1.5

# No number is longer.
MAX_DIGITS = 32

# What `collect_digits` answers when the number takes its time.
WAITING = '{"status": "waiting: the caller has not pressed the keys yet, they will follow"}'

# What the log is told of a sensitive number.
MASKED = "(masked)"

# What the agent is told when the beginning of a sensitive number went with its worker.
LOST = "(The line was interrupted while the caller pressed keys. Please ask for them again.)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The number that an agent has asked for."""

    count: int = MAX_DIGITS
    is_sensitive: bool = False


def wanted(arguments: Mapping[str, object]) -> Wanted:
    """What `collect_digits` was asked for; an agent may ask for anything."""
    text = str(arguments.get("count"))
    is_number = text.isdecimal() and len(text) < 10  # Python reads no number of 5000 digits
    count = min(max(int(text), 1), MAX_DIGITS) if is_number else MAX_DIGITS
    return Wanted(count, is_sensitive=arguments.get("sensitive") is True)


def pressed(digits: str) -> str:
    """What the agent is told of a number."""
    return f"(The caller pressed {digits} on the keypad.)"


def told(digits: str) -> str:
    """What the agent is told of a number that it asked for, when it has stopped waiting for it."""
    return f"(The caller has now entered {digits}.)"


class Keypad:
    """The number being pressed."""

    def __init__(self, typed: str = "") -> None:
        self._digits = typed
        self.wanted = MAX_DIGITS
        """So many digits end the number."""

    @property
    def is_idle(self) -> bool:
        return not self._digits

    def press(self, digit: str) -> bool:
        """One key. Returns whether that ends the number."""
        if digit != "#":
            self._digits += digit
        return digit == "#" or len(self._digits) >= self.wanted

    def take(self) -> str:
        """The number so far; the next key begins another."""
        digits, self._digits = self._digits, ""
        self.wanted = MAX_DIGITS
        return digits
