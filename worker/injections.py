"""Words that we put into the conversation: for the agent to say, or to answer as the caller's.

    early --ready--> sent --> taken: the agent says them, or they come back as the caller's
                     ^  |
                     |  '--> refused: the newest of those that are not taken
                     '------ once more, when the turn in the way is over

The agent takes none before it is ready, and refuses them while somebody speaks, without a
word of which. What is injected as the caller's comes back as his confirmed words; it is not
for the log, as he did not say it.
"""

from collections import deque
from dataclasses import dataclass, field

# Those that wait for the agent, or have been sent to it: all the changes that may be under way at
# once (see `steering`), and as many of our own. Older ones are dropped.
AT_MOST = 16


@dataclass(slots=True)
class _Injection:
    """A text frame for the agent, and what will come of it."""

    message: str = field(repr=False)
    words: str = field(repr=False)  # those that will come back as the caller's
    line: str = field(repr=False)  # what the agent is to say
    behavior: str
    left: str = field(repr=False)  # what of that it has not said yet
    is_final: bool = False  # not to be tried again
    is_answered: bool = False  # the agent has said something since, to the end


class Injections:
    """What was injected, and what still must be. Messages are text frames for the agent."""

    def __init__(self) -> None:
        self.is_ready = False
        self._early: deque[_Injection] = deque(maxlen=AT_MOST)
        self._sent: deque[_Injection] = deque(maxlen=AT_MOST)
        self._refused: deque[_Injection] = deque(maxlen=AT_MOST)
        self._ours: set[str] = set()

    def send(
        self, message: str, words: str = "", line: str = "", behavior: str = "bridge"
    ) -> list[str]:
        """Inject. Returns what goes to the agent now.

        Args:
            words: Those that will come back as the caller's; empty for what the agent says.
            line: What the agent is to say; empty for what it is to answer.
            behavior: As what the log has that line.
        """
        words, line = words.strip(), line.strip()
        if words:
            self._ours.add(words)
        new = _Injection(message, words, line, behavior, left=line)
        if self.is_ready:
            self._sent.append(new)
            return [message]
        if all((each.message, each.words) != (message, words) for each in self._early):
            self._early.append(new)
        return []

    def ready(self) -> list[str]:
        """The agent is ready. Returns what has waited for that."""
        self.is_ready = True
        return self._send_all(self._early)

    def lost(self) -> None:
        """There is no agent until the next one is ready; what was sent will not come back."""
        self.is_ready = False
        self._sent.clear()
        self._refused.clear()
        self._ours = {each.words for each in self._early if each.words}

    def forget_words(self) -> None:
        """What waits to be injected as the caller's is in the log, and comes from there."""
        kept = [each for each in self._early if not each.words]
        self._early = deque(kept, maxlen=AT_MOST)

    def take_back(self, words: str) -> None:
        """What still waits to be injected as these words is not wanted any more."""
        kept = [each for each in self._early if each.words != words.strip()]
        self._early = deque(kept, maxlen=AT_MOST)
        self._ours.discard(words.strip())

    def refuse(self) -> str | None:
        """The agent did not take the newest. Returns None if it will be tried again.

        Else what will not be said: a line, or "" if the agent has refused nothing that is one.
        """
        for each in reversed(self._sent):
            if each.left == each.line or each.is_final:
                self._sent.remove(each)
                if each.is_final:
                    self._ours.discard(each.words)
                    return each.line
                self._refused.appendleft(each)
                return None
        return ""

    def again(self) -> list[str]:
        """The turn in the way is over. Returns what was refused, to be tried once more."""
        for each in self._refused:
            each.is_final = True
        return self._send_all(self._refused)

    def _send_all(self, waiting: deque[_Injection]) -> list[str]:
        messages = [each.message for each in waiting]
        self._ours |= {each.words for each in waiting if each.words}
        self._sent += waiting
        waiting.clear()
        return messages

    def give_up(self, line: str) -> None:
        """This line is not wanted any more: it is not tried again."""
        kept = [each for each in self._refused if each.line != line.strip()]
        self._refused = deque(kept, maxlen=AT_MOST)
        for each in self._sent:
            if each.line == line.strip():
                each.is_final, each.left = True, ""

    def behavior_of(self, text: str) -> str:
        """The behavior of what the agent says because we asked for it: a line, or a sentence of
        one. Of anything else: "".
        """
        text = text.strip()
        for each in self._sent:
            if text and each.left.startswith(text):
                each.left = each.left.removeprefix(text).lstrip()
                if not each.left:
                    self._sent.remove(each)
                return each.behavior
        return ""

    def agent_spoke(self) -> None:
        """It has said something, to the end: that may be the answer to what was injected."""
        for each in self._sent:
            each.is_answered = True

    def caller_spoke(self) -> None:
        """What comes now is his: words that were answered will not come back any more."""
        self._ours -= {each.words for each in self._sent if each.is_answered}

    def is_ours(self, words: str) -> bool:
        """Whether these confirmed words are not the caller's; each is asked about once."""
        words = words.strip()
        if words not in self._ours:
            return False
        self._ours.discard(words)
        for each in self._sent:
            if each.words == words:
                self._sent.remove(each)
                break
        return True
