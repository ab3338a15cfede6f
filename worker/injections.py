"""Words that we put into the conversation: for the agent to say, or to answer as the caller's.

The agent takes none before it is ready, and refuses them while somebody speaks:
those wait, these are tried once more when that turn is over. What is injected as
the caller's comes back as his confirmed words; it is not for the log, as he did
not say it.
"""

from collections import deque

# Those that wait for the agent to be ready. Older ones are dropped.
EARLY = 8

# Lines that the agent was asked to say and has not said yet.
LINES = 4


class Injections:
    """What was injected, and what still must be. Messages are text frames for the agent."""

    def __init__(self) -> None:
        self.is_ready = False
        self._early: deque[tuple[str, str]] = deque(maxlen=EARLY)
        self._last = ""
        self._is_refused = False
        self._ours: set[str] = set()
        # What is left to be said of each, and its behavior.
        self._to_say: deque[tuple[str, str]] = deque(maxlen=LINES)

    def send(
        self, message: str, words: str = "", line: str = "", behavior: str = "bridge"
    ) -> list[str]:
        """Inject. Returns what goes to the agent now.

        Args:
            words: Those that will come back as the caller's; empty for what the agent says.
            line: What the agent is to say; empty for what it is to answer.
            behavior: As what the log has that line.
        """
        if words:
            self._ours.add(words)
        if line:
            self._to_say.append((line, behavior))
        if not self.is_ready:
            if (message, words) not in self._early:
                self._early.append((message, words))
            return []
        self._last = message
        return [message]

    def ready(self) -> list[str]:
        """The agent is ready. Returns what has waited for that."""
        self.is_ready = True
        waited = [message for message, _ in self._early]
        self._early.clear()
        self._last = waited[-1] if waited else ""
        return waited

    def lost(self) -> None:
        """There is no agent until the next one is ready; what was sent will not come back."""
        self.is_ready = self._is_refused = False
        self._to_say.clear()
        self._ours = {words for _, words in self._early if words}

    def forget_words(self, keep: str = "") -> None:
        """What waits to be injected as the caller's is in the log, and comes from there; not this.

        Args:
            keep: Words that the log does not have.
        """
        self._early = deque((e for e in self._early if not e[1] or e[1] == keep), maxlen=EARLY)

    def take_back(self, words: str) -> None:
        """What still waits to be injected as these words is not wanted any more."""
        self._early = deque((each for each in self._early if each[1] != words), maxlen=EARLY)
        self._ours.discard(words)

    def refuse(self) -> bool:
        """The agent did not take the last one. Returns whether it will be tried again."""
        self._is_refused = bool(self._last)
        return self._is_refused

    def again(self) -> list[str]:
        """The turn in the way is over. Returns what was refused, to be tried once more."""
        if not self._is_refused:
            return []
        message, self._last, self._is_refused = self._last, "", False
        return [message]

    def forget_refused(self) -> None:
        """What was refused is not wanted any more."""
        self._is_refused = False
        self._to_say.clear()

    def behavior_of(self, text: str) -> str:
        """The behavior of what the agent says because we asked for it: a line, or a sentence of
        one. Of anything else: "".
        """
        for number, (line, behavior) in enumerate(self._to_say):
            if text and line.startswith(text):
                self._to_say[number] = (line.removeprefix(text).lstrip(), behavior)
                return behavior
        return ""

    def is_ours(self, words: str) -> bool:
        """Whether these confirmed words are not the caller's; each is asked about once."""
        is_ours = words in self._ours
        self._ours.discard(words)
        return is_ours
