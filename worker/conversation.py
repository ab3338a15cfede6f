"""One call's conversation: who may speak, what is sent, what was heard. No I/O, no clock.

    CONNECTING --Welcome/Settings--> CONFIGURING --SettingsApplied--> TALKING <--> ENDING --> OVER
         ^                                |                              |           ^
         '----- the agent is lost: again, with the past as context ------'           |
                   '---------------------- and again, and given up ------------------'

Feed it what happens (`attached`, `from_caller`, `from_agent`, `agent_lost`, `tick`),
then take what is to be done (`take`). Nothing is done here, so every rule that a
caller can hear is tested with literals.

Two clocks are kept apart. `now` is the owner's, in seconds, for waits. The caller's
stream has its own in milliseconds, read off his frames, for what he heard and said.

A conversation begins by folding its log (see `history`), whether the call is new,
its worker died, or its agent's socket broke: a new call is one whose past is empty.

While no phone is attached the agent is fed silence, since an agent that hears
nothing at all hangs up; what it says then is kept for the phone (see `playout`).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf

from shared import messages, record
from shared.messages import Audio, Up
from shared.sound import FRAME_S, SILENT_FRAME
from worker import deepgram
from worker.ear import Ear
from worker.gate import Gate
from worker.goodbye import WORDS_TO_GO_ON, Goodbye
from worker.history import fold, with_past
from worker.injections import Injections
from worker.keypad import PAUSE_S, Keypad, pressed
from worker.playout import Cleared, Playout
from worker.recovery import HOLD_EVERY_S, SILENT_FOR_S, Recovery
from worker.terms import Effects, Inherited, Line, State, Terms
from worker.timers import Timer, Timers
from worker.tools import END_CALL

# Welcome comes at once and SettingsApplied soon after; an agent that takes longer is not there.
READY_WITHIN_S = 5.0

# Silence for an agent without a phone goes out in pieces of 40 ms, as a phone's would.
FEED_FRAMES = 2
FEED_S = FEED_FRAMES * FRAME_S

# A pause in the agent's sound that ends an utterance when nothing else does.
LULL_S = 0.12

# Noises in a row that nobody can be behind.
NOISES_IN_A_ROW = 5

# Where to listen again to an utterance that no agent has understood: a second before the
# agent noticed that it had begun, and never more than a minute back. Entries are 20 ms each.
ONSET_ENTRIES = 50
LISTEN_AT_MOST = 3000

# What comes sooner after we have joined a stream was written before: its phone may be gone since.
BACKLOG_S = 1.0

# Frames come in silence, too, and the edge looks for them itself: none for this long, and
# nothing from the edge, means that there is no edge.
PHONE_SILENT_S = 5.0

# Owners in a row that lost a call soon after they took it: the call itself may be what kills them.
POISON_TAKEOVERS = 3
POISON_MS = 10_000

# Deepgram ends a session after two hours, and says so five minutes before.
CAP_WARNING = "MAXIMUM_SESSION_LENGTH_APPROACHING"


class Conversation:
    """The state machine of one call. `now` in every call is the owner's clock, seconds."""

    def __init__(self, terms: Terms, now: float, inherited: Inherited | None = None) -> None:
        inherited = inherited or Inherited()
        self._terms = terms
        self._history = list(inherited.log)
        self._past = fold(self._history, {})
        self.state = State.CONNECTING
        self.up = max(inherited.cursor, self._past.up)
        """Sequence number of the newest caller entry that was read."""
        self.unknown = 0
        """Messages from the agent that this version does not know."""
        self.late_bytes = 0
        """Sound of interrupted turns that came too late and was dropped."""
        self._effects = Effects()
        self._acted_up = self._past.up
        self._ear = Ear()
        self._ear.given = inherited.cursor
        self._playout = Playout(terms.mark_prefix, self._past.sentences)
        self._gate = Gate()
        self._keypad = Keypad()
        self._recovery = Recovery()
        self._goodbye: Goodbye | None = None
        self._has_agent = False
        self._request_id = ""
        self._settings = self._past.settings or terms.settings
        self._turn = self._past.turns
        self._may_force_turn = False
        self._must_rotate = False
        self._noises = 0
        self._in_greeting = self._past.is_new
        self._spoke_since_user = False
        self._answer_due: tuple[float, int] | None = None  # (confirmed at, last loud clock)
        self._latencies: dict[str, float] = {}
        self._injections = Injections()
        self._resumed_with = ""  # what was injected for the agent to go on
        self._rejoined_at = -inf
        self._phone_at = now  # when the phone was last heard of
        self._is_missed = False
        self._timers = Timers()
        self._timers.set(Timer.RING, now + terms.ring_s)
        if inherited.down:
            self._playout.restore(inherited.down, inherited.echoes, _texts(self._history))
            self._playout.expect(_said_to_this_phone(self._history))
        self._begin(now)

    # -- the rim's side -------------------------------------------------------

    @property
    def cursor(self) -> int:
        """Sequence number of the newest caller entry that an agent was given."""
        return self._ear.given

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called, unless something happens before."""
        return self._timers.next

    def take(self) -> Effects:
        """What is to be done since the last call."""
        effects, self._effects = self._effects, Effects(over=self._effects.over)
        return effects

    def tick(self, now: float) -> None:
        """Time has passed."""
        for timer, at in self._timers.due(now):
            if self._timers.take(timer, at):
                self._on_timer(timer, at, now)

    def _on_timer(self, timer: Timer, at: float, now: float) -> None:
        match timer:
            case Timer.CONNECT:
                self._begin(now)
            case Timer.READY:
                self.agent_lost("agent not ready", now)
            case Timer.RING:
                self._end("phone did not come")
            case Timer.REATTACH:
                self._end("phone lost")
            case Timer.FEED:
                self._feed(at, now)
            case Timer.CATCH_UP:
                self._catch_up(at, now)
            case Timer.LULL:
                self._effects.phone += self._playout.end()
            case Timer.DIGITS:
                self._send_digits()
            case Timer.HOLD:
                self._hold(now)
            case Timer.GOODBYE:
                self._see_goodbye(now)

    def _log(self, entry: record.Entry) -> None:
        self._effects.log.append(entry)
        self._history.append((0, entry))

    # -- the phone ------------------------------------------------------------

    def attached(self, now: float) -> None:
        """A phone is there, on a new stream whose clock starts anew."""
        if self.state is State.OVER:
            return
        self._timers.stop(Timer.RING, Timer.REATTACH, Timer.FEED)
        self._history.append((0, record.Attached("", "")))
        self.up = self._acted_up = 0
        self._ear.attach()
        self._phone_at, self._is_missed = now, False
        self._effects.phone += self._playout.attach()
        if Timer.HOLD in self._timers:
            self._timers.set(Timer.HOLD, now + SILENT_FOR_S)
        if self._goodbye:
            self._goodbye.attached(now)
            self._timers.set(Timer.GOODBYE, now)

    def rejoined(self, now: float) -> None:
        """A phone was there before us, on a stream that we go on with, if it still speaks."""
        self._timers.stop(Timer.RING, Timer.FEED)
        self._playout.is_attached = True
        self._phone_at = now
        self._effects.phone += self._playout.end()
        self._rejoined_at = now
        self._timers.set(Timer.REATTACH, now + self._terms.reattach_s)
        if self._goodbye:
            self._timers.set(Timer.GOODBYE, now)

    def detached(self, now: float) -> None:
        """The phone socket is gone, and nobody said that the call is over."""
        self._playout.detach()
        if not self._terms.has_webhook:
            self._end("phone lost")
        elif self.state is not State.OVER:
            # It may be told twice, to an ear that listens again.
            self._timers.start(Timer.REATTACH, now + self._terms.reattach_s)
            self._timers.set(Timer.FEED, now)

    def from_caller(self, sequence: int, message: Up, now: float) -> None:
        """One entry of the caller's stream. Those read again are heard again, not acted on."""
        if self.state is State.OVER:
            return
        if sequence > self.up and isinstance(message, Audio):
            self._see_phone_again(now)
        self.up = max(self.up, sequence)
        if self._playout.is_attached and now - self._rejoined_at > BACKLOG_S:
            self._timers.stop(Timer.REATTACH)
        match message:
            case Audio():
                self._hear(sequence, message, now)
            case messages.Mark(name, timestamp):
                if self._playout.echo(name, timestamp) and self._goodbye:
                    self._goodbye.news(now)
                    self._see_goodbye(now)
            case messages.Digit(digit):
                if sequence > self._acted_up:
                    self._acted_up = sequence
                    self._press(digit, now)
            case messages.Dropped(name):
                self._playout.dropped(name)
            case messages.Ended(cause):
                self._end(cause)
            case messages.Detached():
                self.detached(now)

    def miss_phone(self, now: float) -> None:
        """Look whether the phone still speaks: an edge that died says no word of it."""
        if self._playout.is_attached and now - self._phone_at > PHONE_SILENT_S:
            self._is_missed = True
            self.detached(now)

    def _see_phone_again(self, now: float) -> None:
        self._phone_at = now
        if self._is_missed:
            self._is_missed = False
            self._playout.is_attached = True
            self._timers.stop(Timer.REATTACH, Timer.FEED)

    def hung_up(self, cause: str) -> None:
        """Twilio says that the call is over."""
        self._end(cause)

    def _hear(self, sequence: int, frame: Audio, now: float) -> None:
        if self._must_rotate and self.is_quiet_moment:
            self._must_rotate = False
            self._begin(now)
        if self._effects.listen_after is not None:
            return  # it will be read again
        pieces = self._ear.frame(frame, sequence)
        if not self._has_agent:
            return
        self._effects.agent += pieces
        if self._may_force_turn and self._ear.is_quiet:
            # A cough must not cost the caller the whole end-of-turn timeout.
            self._may_force_turn = False
            self._effects.agent.append(deepgram.FORCE_END_TURN)

    @property
    def is_quiet_moment(self) -> bool:
        """Whether nobody speaks, and nobody is owed an answer."""
        is_idle = not self._answer_due and not self._ear.is_open and self._playout.is_heard_out
        is_idle = is_idle and self._keypad.is_idle and not self._ear.is_behind
        return self.state is State.TALKING and is_idle

    def _feed(self, at: float, now: float) -> None:
        """Silence in real time, from absolute deadlines, while no phone gives sound."""
        if self._has_agent:
            self._effects.agent.append(SILENT_FRAME * FEED_FRAMES)
            self._timers.set(Timer.FEED, at + FEED_S if at + 1 > now else now + FEED_S)

    def _catch_up(self, at: float, now: float) -> None:
        """What the caller said before the agent was ready."""
        self._effects.agent += self._ear.catch_up()
        if self._ear.is_behind:
            self._timers.set(Timer.CATCH_UP, at + FRAME_S if at + 1 > now else now + FRAME_S)

    # -- keys -----------------------------------------------------------------

    def _press(self, digit: str, now: float) -> None:
        if self._keypad.is_idle and self.state is State.TALKING:
            self._silence(now)
        if self._keypad.press(digit):
            self._send_digits()
        else:
            self._timers.set(Timer.DIGITS, now + PAUSE_S)

    def _send_digits(self) -> None:
        self._timers.stop(Timer.DIGITS)
        digits = self._keypad.take()
        if digits:
            self._log(record.Pressed(digits, self.up))
            self._inject_as_user(pressed(digits))

    # -- the agent comes and goes ---------------------------------------------

    def _begin(self, now: float) -> None:
        """Ask for an agent socket, and for the caller's words that no agent has understood."""
        self._past = past = fold(self._history, self._playout.sounded_ms())
        self._lose_agent()
        self._gate = Gate()
        self._timers.stop(Timer.LULL, Timer.CATCH_UP, Timer.FEED)
        if _is_poison(past.taken_ms):
            self._give_up(now)
        elif past.ending:
            self.state = State.ENDING
            self._goodbye = Goodbye(past.ending, now, said_already=True)
        else:
            self.state = State.CONNECTING
            self._effects.connect = True
            self._recovery.begin(now)
            self._timers.set(Timer.READY, now + READY_WITHIN_S)
            self._timers.start(Timer.HOLD, now + SILENT_FOR_S)
        after = min(self.cursor, past.onset - ONSET_ENTRIES) if past.onset else self.cursor
        self._effects.listen_after = max(0, after, self.up - LISTEN_AT_MOST)

    def _lose_agent(self) -> None:
        """What the caller says from now on waits, as do words of ours."""
        self._has_agent = False
        self._ear.listen_again()
        self._injections.lost()

    def _welcome(self, request_id: str, now: float) -> None:
        if self.state is not State.CONNECTING:
            return
        self.state = State.CONFIGURING
        self._request_id = request_id
        self._timers.set(Timer.READY, now + READY_WITHIN_S)
        past, more_to_come = self._past, self._ear.has_spoken
        self._effects.agent.append(with_past(self._settings, past, answer_owed=more_to_come))
        self._injections.take_back(self._resumed_with)  # that was for an agent which got no further
        self._resumed_with = past.owed or (self._terms.go_on if past.was_cut_off else "")
        if self._resumed_with and not more_to_come:  # else the agent will answer that
            self._inject_as_user(self._resumed_with)

    def _start_talking(self, now: float) -> None:
        if self.state is not State.CONFIGURING:
            return
        self.state = State.TALKING
        self._has_agent = True
        self._recovery.ready(now)
        self._timers.stop(Timer.READY)
        if not (self._past.owed or self._past.was_cut_off):
            self._timers.stop(Timer.HOLD)  # else the line is dead until it speaks
        self._log(record.Configured(self._settings, self._request_id, self.up))
        self._ear.agent_is_ready()
        self._timers.set(Timer.CATCH_UP, now)
        if not self._playout.is_attached:
            self._timers.set(Timer.FEED, now)
        self._effects.agent += self._injections.ready()

    def agent_lost(self, code: str, now: float) -> None:
        """The agent refused, failed or went away: another attempt, or the caller is told."""
        if self._is_deaf:
            return  # it is known
        again_at = None if self._goodbye else self._recovery.lost(code, now)
        self._log(record.Trouble("agent", code, fatal=again_at is None, up=self.up))
        self._lose_agent()
        if self._goodbye:
            self._goodbye.agent_lost(now)
            self._see_goodbye(now)
            return
        if again_at is None:
            self._give_up(now)
            return
        self.state = State.CONNECTING
        self._timers.stop(Timer.READY)
        if again_at <= now:
            self._begin(now)
        else:
            self._timers.set(Timer.CONNECT, again_at)

    def _hold(self, now: float) -> None:
        """The agent has been gone for so long that the line feels dead."""
        if self._playout.is_attached and self._playout.is_heard_out:
            self._say_line(self._terms.hold, now)
            self._timers.set(Timer.HOLD, now + HOLD_EVERY_S)
        else:
            self._timers.set(Timer.HOLD, now + SILENT_FOR_S / 4)

    def _give_up(self, now: float) -> None:
        """There will be no agent: the caller is told, then the call ends."""
        self._timers.stop(Timer.READY, Timer.FEED, Timer.CONNECT, Timer.HOLD)
        self.state = State.ENDING
        self._effects.disconnect = True
        self._goodbye = Goodbye("agent failed", now, said_already=True)
        self._say_line(self._terms.apology, now)
        self._goodbye.sound(now)
        self._goodbye.done(now)
        if self._playout.is_attached:
            self._timers.set(Timer.GOODBYE, now)

    def _say_line(self, line: Line, now: float) -> None:
        self._say(line.text, "bridge", now, always=True)
        self._effects.phone += self._playout.sound(line.sound)
        self._effects.phone += self._playout.end()

    # -- the agent speaks -----------------------------------------------------

    def from_agent(self, event: deepgram.Event, now: float) -> None:
        """One text frame of the agent, parsed."""
        if self._is_deaf:
            return
        match event:
            case deepgram.Welcome(request_id):
                self._welcome(request_id, now)
            case deepgram.SettingsApplied():
                self._start_talking(now)
            case deepgram.UserStartedSpeaking():
                self._interrupt(now)
            case deepgram.UserText(text):
                self._confirm(text, now)
            case deepgram.AgentText(text, behavior):
                self._say(text, behavior, now)
            case deepgram.AgentAudioDone():
                self._audio_done(now)
            case deepgram.FunctionCallRequest(functions):
                for call in functions:
                    self._call_function(call, now)
            case deepgram.FunctionCallCancelled(ids):
                self._cancel_functions(ids)
            case deepgram.LatencyReport(seconds):
                self._latencies.update(seconds)
            case deepgram.InjectionRefused():
                self._refuse()
            case deepgram.AgentWarning(code):
                self._warned(code)
            case deepgram.AgentError(code):
                self.agent_lost(code, now)
            case deepgram.Unknown():
                self.unknown += 1
            case deepgram.Noted():
                pass

    @property
    def _is_deaf(self) -> bool:
        """Whether nothing that an agent says counts any more."""
        has_none = self.state is State.ENDING and not self._has_agent
        return self.state is State.OVER or has_none or Timer.CONNECT in self._timers

    def _warned(self, code: str) -> None:
        self._log(record.Trouble("agent", code, fatal=False, up=self.up))
        if code.startswith("INJECT_AGENT_MESSAGE"):
            self._refuse()
        if code == CAP_WARNING:
            self._must_rotate = True

    def _interrupt(self, now: float) -> None:
        self._ear.open_utterance()
        self._may_force_turn = self._terms.uses_flux
        is_kept = self._goodbye or (self._terms.protects_greeting and self._in_greeting)
        unheard = self._playout.heard(self._ear.clock) < self._playout.sent
        self._log(record.Onset(self.up, barge_in=unheard and not is_kept))
        if not is_kept:
            self._silence(now)

    def _silence(self, now: float) -> None:
        """Take back what the caller has not heard, and let nothing more of it through."""
        self._timers.stop(Timer.LULL)
        clear, cut = self._playout.clear(self._ear.clock)
        self._effects.phone += clear
        for each in cut:
            self._log(_cut(each, self.up))
        self._gate.close(now)

    def _confirm(self, text: str, now: float) -> None:
        if self._injections.is_ours(text):
            self._gate.confirm(now)
            return
        self._ear.close_utterance()
        self._log(record.Heard(text, self.up))
        if not text.strip():
            self._noises += 1
            self._gate.expect_answer()
            self._inject_again(now)
            if self._noises >= NOISES_IN_A_ROW and self.state is State.TALKING:
                self._say_goodbye("nobody there", now)
            return
        self._noises = 0
        self._turn += 1
        self._in_greeting = self._spoke_since_user = False
        self._answer_due = (now, self._ear.last_loud)
        self._gate.confirm(now)
        if self._goodbye and len(text.split()) > WORDS_TO_GO_ON:
            self._call_off_goodbye()
        self._inject_again(now)

    def _say(self, text: str, behavior: str, now: float, *, always: bool = False) -> None:
        if self._gate.text(now) or always:
            self._ear.close_utterance()
            number, ending = self._playout.text(text)
            self._effects.phone += ending
            self._log(record.Said(number, text, self.up, behavior))
        else:
            number = self._playout.unheard_text()
            self._log(record.Said(number, text, self.up, behavior))
            self._log(record.Cut(number, 0, 0, "", self.up))

    def speak(self, mulaw: bytes, now: float) -> None:
        """One binary frame of the agent."""
        if self._is_deaf:
            return
        if not self._gate.sound(now):
            self.late_bytes += len(mulaw)
            return
        if self._answer_due:
            self._log_answer(self._answer_due, now)
        self._spoke_since_user = True
        self._recovery.proved()
        self._timers.stop(Timer.HOLD)
        self._effects.phone += self._playout.sound(mulaw)
        self._timers.set(Timer.LULL, now + LULL_S)
        if self._goodbye:
            self._goodbye.sound(now)

    def _log_answer(self, due: tuple[float, int], now: float) -> None:
        confirmed_at, last_loud = due
        self._answer_due = None
        latency_ms = round((now - confirmed_at) * 1000)
        self._log(record.Answering(latency_ms, max(0, self._ear.clock - last_loud), self.up))

    def _audio_done(self, now: float) -> None:
        self._timers.stop(Timer.LULL)
        self._effects.phone += self._playout.end()
        self._gate.expect_answer()
        self._log(record.Finished(self.up))
        if self._latencies:
            self._log(record.Latency(self._latencies, self.up))
            self._latencies = {}
        if not self._ear.is_open:
            self._inject_again(now)  # it was refused for the agent's turn, not for the caller's
        if self._goodbye:
            self._goodbye.done(now)
            self._see_goodbye(now)

    # -- functions and injections ---------------------------------------------

    def _call_function(self, call: deepgram.FunctionCall, now: float) -> None:
        if not call.client_side:
            return
        self._log(record.ToolAsked(call.id, call.name, call.arguments, self._turn, self.up))
        is_ours = call.name == END_CALL and END_CALL in self._terms.tools
        content = '{"ok": true}' if is_ours else '{"error": "there is no such function"}'
        self._log(record.ToolAnswered(call.id, call.name, content, self.up))
        self._effects.agent.append(deepgram.function_call_response(call, content))
        if is_ours and self.state is State.TALKING:
            self._start_goodbye("agent ended the call", now)

    def _cancel_functions(self, ids: tuple[str, ...]) -> None:
        for call_id in ids:
            self._log(record.ToolCancelled(call_id, "", self.up))
        if self._goodbye:
            self._call_off_goodbye()

    def _inject_as_user(self, words: str) -> None:
        """Have the agent answer words that the caller did not say just now."""
        self._effects.agent += self._injections.send(deepgram.inject_user_message(words), words)
        self._gate.expect_answer()

    def _inject(self, text: str) -> None:
        """Have the agent say something."""
        self._effects.agent += self._injections.send(deepgram.inject_agent_message(text))
        self._gate.expect_answer()

    def _refuse(self) -> None:
        """The agent did not take what was injected last."""
        if self._injections.refuse() and self._goodbye:
            self._goodbye.refused()

    def _inject_again(self, now: float) -> None:
        """A refused injection is tried once more when the turn is over."""
        again = self._injections.again()
        if again:
            self._effects.agent += again
            self._gate.expect_answer()
            if self._goodbye and self._goodbye.was_injected:
                self._goodbye.inject(now)

    # -- the end --------------------------------------------------------------

    def _start_goodbye(self, cause: str, now: float) -> None:
        self.state = State.ENDING
        self._goodbye = Goodbye(cause, now, said_already=self._spoke_since_user)
        self._log(record.Ending(cause, self.up))
        self._gate.expect_answer()
        self._see_goodbye(now)

    def _call_off_goodbye(self) -> None:
        if self._goodbye and self._goodbye.was_injected:
            self._injections.forget_refused()
        self.state = State.TALKING
        self._goodbye = None
        self._noises = 0
        self._log(record.Ending("", self.up))
        self._timers.stop(Timer.GOODBYE)

    def _say_goodbye(self, cause: str, now: float) -> None:
        """End the call with words that the agent did not think of."""
        self._spoke_since_user = False
        self._start_goodbye(cause, now)
        self._inject(self._terms.goodbye)
        if self._goodbye:
            self._goodbye.inject(now)

    def _see_goodbye(self, now: float) -> None:
        """Whether the goodbye has been heard; asked at each news of it, and ten times a second."""
        goodbye = self._goodbye
        if goodbye is None:
            return
        if goodbye.is_over(now, is_heard_out=self._playout.is_heard_out):
            self._end(goodbye.cause)
            return
        if goodbye.wants_words(now) and self._has_agent:
            self._inject(self._terms.goodbye)
            goodbye.inject(now)
        self._timers.set(Timer.GOODBYE, now + 0.1)

    def _end(self, cause: str) -> None:
        """The call is over: nothing that comes later changes that."""
        if self.state is State.OVER:
            return
        self.state = State.OVER
        self._timers.stop_all()
        self._effects.connect = False
        if not self._past.is_over:  # else its former owner has logged that, and come no further
            self._log(record.Over(cause, self.up))
        self._effects.phone.append(messages.Ended(cause))
        self._effects.over = cause


def _cut(cleared: Cleared, up: int) -> record.Cut:
    return record.Cut(cleared.sentence, cleared.heard_ms, cleared.of_ms, cleared.text, up)


def _texts(log: Sequence[tuple[int, record.Entry]]) -> dict[int, str]:
    return {entry.sentence: entry.text for _, entry in log if isinstance(entry, record.Said)}


def _said_to_this_phone(log: Sequence[tuple[int, record.Entry]]) -> dict[int, str]:
    """The sentences said since the phone's stream began, and not cut."""
    said: dict[int, str] = {}
    for _, entry in log:
        match entry:
            case record.Attached():
                said.clear()
            case record.Said(number, text):
                said[number] = text
            case record.Cut(number):
                said.pop(number, None)
    return said


def _is_poison(taken_ms: Sequence[int]) -> bool:
    """Whether owner after owner lost the call soon after taking it."""
    latest = taken_ms[-POISON_TAKEOVERS - 1 :]
    if len(latest) <= POISON_TAKEOVERS:
        return False
    return all(b - a < POISON_MS for a, b in pairwise(latest))
