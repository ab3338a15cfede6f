"""Keys that the caller presses, gathered into numbers: up to `#`, or to a pause."""

# Keys pressed within this time of each other are one number.
PAUSE_S = 1.5

# No number is longer.
MAX_DIGITS = 32


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
