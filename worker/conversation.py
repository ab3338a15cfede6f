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

An agent that hears nothing at all hangs up: while no phone gives sound it is fed
silence. What it says while no phone is attached is kept for the phone (see `playout`).
"""

from shared import messages, record
from shared.calls import AGENT_FAILED
from shared.messages import Audio, Up
from shared.sound import FRAME_S
from worker import deepgram
from worker.common import Common
from worker.digits import Digits
from worker.ear import QUIET_MS, Ear
from worker.functions import Functions, arguments_in
from worker.goodbye import WORDS_TO_GO_ON, Goodbye
from worker.history import fold, with_past
from worker.injections import Injections
from worker.keypad import PAUSE_S
from worker.limit import TIME_IS_UP, Limit
from worker.limit import Due as TimeFor
from worker.machine import MACHINE, Machine, hushed
from worker.owed import Due, Owed
from worker.phone import Phone
from worker.placeholders import filled
from worker.playout import Playout
from worker.recovery import HOLD_EVERY_S, SILENT_FOR_S, Recovery
from worker.speech import Speech
from worker.terms import Effects, Inherited, State, Terms
from worker.timers import Timer
from worker.tools import COLLECT_DIGITS, END_CALL, TRANSFER_CALL, failed

# Welcome comes at once and SettingsApplied soon after; an agent that takes longer is not there.
READY_WITHIN_S = 5.0

# Noises in a row that nobody can be behind.
NOISES_IN_A_ROW = 5

# Where to listen again to an utterance that no agent has understood: a second before the
# agent noticed that it had begun, and never more than a minute back. Entries are 20 ms each.
ONSET_ENTRIES = 50
LISTEN_AT_MOST = 3000

# A caller who says nothing is asked so often whether he is there; then the call ends.
PROMPTS = 2

# Deepgram ends a session after two hours, and says so five minutes before.
CAP_WARNING = "MAXIMUM_SESSION_LENGTH_APPROACHING"

TRANSFERRED = "transferred"
"""Why a call is over for us that goes on with somebody else."""

OK = '{"ok": true}'


class Conversation:
    """The state machine of one call. `now` in every call is the owner's clock, seconds."""

    def __init__(self, terms: Terms, now: float, inherited: Inherited | None = None) -> None:
        inherited = inherited or Inherited()
        self._terms = terms
        self._common = common = Common(inherited.log)
        self._timers = common.timers
        self._past = past = fold(inherited.log, {})
        common.up = max(inherited.cursor, past.up)
        self.state = State.CONNECTING
        self.unknown = 0
        """Messages from the agent that this version does not know."""
        self._acted_up = past.up
        self._ear = Ear()
        self._ear.given = inherited.cursor
        self._playout = Playout(terms.mark_prefix, past.sentences)
        self._phone = Phone(common, self._ear, self._playout, terms.reattach_s, now)
        self._speech = Speech(common, self._ear, self._playout)
        self._functions = Functions(common, terms.call_sid, terms.own_tools)
        self._digits = Digits(common, self._functions, past.typed, past.wanted)
        self._recovery = Recovery()
        self._owed = Owed()
        self._injections = Injections()
        self._goodbye: Goodbye | None = None
        self._machine = Machine(terms.voicemail)
        self._has_agent = False
        self._request_id = ""
        self._settings = past.settings or terms.settings
        self._turn = past.turns
        self._may_force_turn = False
        self._must_rotate = self._must_move = False
        self._noises = 0
        self._prompts = 0
        self._idle_since: float | None = None
        self._in_greeting = past.is_new
        self._spoke_since_user = False
        self._says_line = False
        self._hidden_words = ""  # words for the agent that the log must not have
        self._ending_call = ""  # id of the function that asked for the end
        self._transfer_to = past.transfer
        self._resumed_with = ""  # what was injected for the agent to go on
        self._limit = Limit(terms.max_s, inherited.age_s, now)
        self._timers.set(Timer.LIMIT, self._limit.again_at)
        self._timers.set(Timer.RING, now + terms.ring_s)
        if past.typed:
            self._timers.set(Timer.DIGITS, now + PAUSE_S)
        self._speech.inherit(inherited)
        if past.machine and not past.ending:
            self._meet_machine(past.machine, now)
        else:
            self._begin(now)

    # -- the rim's side -------------------------------------------------------

    @property
    def up(self) -> int:
        """Sequence number of the newest caller entry that was read."""
        return self._common.up

    @property
    def cursor(self) -> int:
        """Sequence number of the newest caller entry that an agent was given."""
        return self._ear.given

    @property
    def deadline(self) -> float:
        """When `tick` must be called, at the latest; infinity: only when something happens."""
        return self._timers.next

    @property
    def late_bytes(self) -> int:
        """Sound of interrupted turns that came too late and was dropped."""
        return self._speech.late_bytes

    @property
    def _effects(self) -> Effects:
        return self._common.effects

    def take(self) -> Effects:
        """What is to be done since the last call."""
        return self._common.take()

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
                self._speech.lull(now)
            case Timer.DONE:
                self._speech.see_done(now)
            case Timer.OWED:
                self._see_owed(now)
            case Timer.FILLER:
                self._fill()
            case Timer.DIGITS:
                self._end_digits(now)
            case Timer.COLLECT:
                self._digits.late(now)
                self._tell_digits("", now, hides=False)
            case Timer.HOLD:
                self._hold(now)
            case Timer.GOODBYE:
                self._see_goodbye(now)
            case Timer.LIMIT:
                self._see_limit(now)

    def look(self, now: float) -> None:
        """Now and then: whether the phone still speaks, and whether anybody does."""
        if self._phone.is_lost(now):
            self.detached(now)  # an edge that died says no word of it
        self._see_idle(now)

    def _log(self, entry: record.Entry) -> None:
        self._common.log(entry)

    # -- the phone ------------------------------------------------------------

    def attached(self, now: float) -> None:
        """A phone is there, on a new stream whose clock starts anew."""
        if self.state is State.OVER:
            return
        self._common.history.append((0, record.Attached("", "")))
        self._acted_up = 0
        self._must_move = False
        self._phone.attach(now)
        if Timer.HOLD in self._timers:
            self._timers.set(Timer.HOLD, now + SILENT_FOR_S)
        if self._goodbye:
            self._goodbye.attached(now)
            self._timers.set(Timer.GOODBYE, now)

    def rejoined(self, now: float) -> None:
        """A phone was there before us, on a stream that we go on with, if it still speaks."""
        self._phone.rejoin(now)
        if self._goodbye:
            self._timers.set(Timer.GOODBYE, now)

    def detached(self, now: float) -> None:
        """The phone socket is gone, and nobody said that the call is over."""
        if not self._terms.has_webhook:
            self._end("phone lost")
        elif self.state is not State.OVER:
            self._phone.detach(now)

    def move(self) -> None:
        """The phone's edge is told to stop: in a quiet moment Twilio takes the call to another."""
        self._must_move = self._terms.has_webhook

    def from_caller(self, sequence: int, message: Up, now: float) -> None:
        """One entry of the caller's stream. Those read again are heard again, not acted on."""
        if self.state is State.OVER:
            return
        if sequence > self._common.up:
            self._common.up = sequence
            if isinstance(message, Audio):
                self._phone.sounds(now)
        self._phone.spoke(now)
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
                    self._press(digit, sequence, now)
            case messages.Dropped(name):
                self._playout.dropped(name)
            case messages.Ended(cause):
                self._end(cause)
            case messages.Detached():
                self.detached(now)

    def hung_up(self, cause: str) -> None:
        """Twilio says that the call is over."""
        self._end(cause)

    def answered(self, by: str, now: float) -> None:
        """A machine has taken the call, Twilio says: what was meant for a person is taken back."""
        if self.state is not State.OVER and not self._machine.is_there:
            self._common.history.append((0, record.AnsweredBy(by)))
            self._speech.silence(now)
            self._meet_machine(by, now)

    def _meet_machine(self, by: str, now: float) -> None:
        """It is left the message by an agent of its own, when it has greeted."""
        self._goodbye, self._transfer_to, self._injections = None, "", Injections()
        self._timers.stop(Timer.READY, Timer.HOLD, Timer.GOODBYE, Timer.DIGITS, Timer.COLLECT)
        if not self._machine.meet(by):
            self._end(MACHINE)
            return
        self._settings = self._machine.settings(self._settings)
        self._lose_agent()
        self._effects.disconnect = True
        self.state = State.CONNECTING
        self._timers.set(Timer.CONNECT, now + self._machine.patience_s)

    def _hear(self, sequence: int, frame: Audio, now: float) -> None:
        if self._machine.is_there:
            if self._machine.falls_silent(frame):
                self._timers.set(Timer.CONNECT, now)
            frame = hushed(frame)
        if (self._must_rotate or self._must_move) and self.is_quiet_moment:
            self._use_quiet_moment(now)
        if self._effects.listen_after is not None:
            return  # it will be read again
        pieces = self._ear.frame(frame, sequence)
        if not self._has_agent:
            return
        self._effects.agent += pieces
        if self._ear.is_open:
            self._watch_utterance(now)

    def _watch_utterance(self, now: float) -> None:
        """A cough must not cost the caller the end-of-turn timeout, nor stay open for ever."""
        if self._may_force_turn and self._ear.quiet_ms >= QUIET_MS:
            self._may_force_turn = False
            self._effects.agent.append(deepgram.FORCE_END_TURN)
        if self._ear.quiet_ms >= self._terms.utterance_s * 1000:
            self._ear.close_utterance()
            self._log(record.Heard("", self._common.up))
            self._owe_again(now)

    @property
    def is_quiet_moment(self) -> bool:
        """Whether nobody speaks, and nobody is owed an answer."""
        is_idle = not self._owed.is_owed and not self._ear.is_open
        is_idle = is_idle and self._playout.is_heard_out and not self._ear.is_behind
        is_idle = is_idle and self._digits.is_idle and self._functions.is_idle
        return self.state is State.TALKING and is_idle

    def _use_quiet_moment(self, now: float) -> None:
        if self._must_rotate:
            self._must_rotate = False
            self._begin(now)
        else:
            self._must_move = False
            self._effects.phone.append(messages.Move())

    def _feed(self, at: float, now: float) -> None:
        if self._has_agent:
            self._effects.agent += self._phone.silence(at, now)

    def _catch_up(self, at: float, now: float) -> None:
        """What the caller said before the agent was ready."""
        self._effects.agent += self._ear.catch_up()
        if self._ear.is_behind:
            self._timers.set(Timer.CATCH_UP, at + FRAME_S if at + 1 > now else now + FRAME_S)

    def _press(self, digit: str, sequence: int, now: float) -> None:
        is_talking = self.state is State.TALKING and self._speech.has_unheard
        if self._digits.is_new and is_talking and digit != "#":
            self._speech.silence(now)
        self._prompts = 0
        hides = self._digits.is_sensitive
        self._tell_digits(self._digits.press(digit, sequence, now), now, hides=hides)

    def _end_digits(self, now: float) -> None:
        hides = self._digits.is_sensitive
        self._tell_digits(self._digits.end(), now, hides=hides)

    def _tell_digits(self, words: str, now: float, *, hides: bool) -> None:
        """A number is whole, or it is not yet: then there is nothing to tell."""
        self._hidden_words = words if hides else self._hidden_words
        self._inject_as_user(words)
        if self._digits.is_idle:
            self._owe_again(now)

    # -- the agent comes and goes ---------------------------------------------

    def _begin(self, now: float) -> None:
        """Ask for an agent socket, and for the caller's words that no agent has understood."""
        self._past = past = fold(self._common.history, self._playout.sounded_ms())
        for cut in past.cut_short:
            self._log(cut)
        self._lose_agent()
        self._injections.forget_words(keep=self._hidden_words)
        self._speech.new_agent()
        self._must_rotate = False
        self._timers.stop(Timer.CATCH_UP)
        if past.is_poison:
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
        self._effects.listen_after = max(0, after, self._common.up - LISTEN_AT_MOST)

    def _lose_agent(self) -> None:
        """What the caller says from now on waits, as do words of ours."""
        self._has_agent = False
        self._timers.stop(Timer.OWED, Timer.FILLER)
        self._owed.stop()
        self._functions.new_agent()
        self._digits.new_agent()
        self._ear.listen_again()
        self._injections.lost()

    def _welcome(self, request_id: str, now: float) -> None:
        if self.state is not State.CONNECTING:
            return
        self.state = State.CONFIGURING
        self._request_id = request_id
        self._timers.set(Timer.READY, now + READY_WITHIN_S)
        past, more_to_come = self._past, self._ear.has_spoken
        settings = filled(self._settings, self._terms.variables)
        self._effects.agent.append(with_past(settings, past, answer_owed=more_to_come))
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
        if self._past.owed or self._past.was_cut_off:
            self._owe(now)  # and until the agent speaks the line is dead
        else:
            self._timers.stop(Timer.HOLD)
        bridge, up = self._terms.bridge, self._common.up
        self._log(record.Configured(self._settings, self._request_id, up, bridge))
        self._ear.agent_is_ready()
        self._timers.set(Timer.CATCH_UP, now)
        self._timers.set(Timer.FEED, now)
        self._effects.agent += self._injections.ready()
        if self._machine.is_there:
            self.state = State.ENDING
            self._goodbye = self._machine.goodbye(now)
            self._timers.set(Timer.GOODBYE, now)

    def agent_lost(self, code: str, now: float) -> None:
        """The agent refused, failed or went away: another attempt, or the caller is told."""
        if self._is_deaf:
            return  # it is known
        again_at = None if self._goodbye else self._recovery.lost(code, now)
        self._log(record.Trouble("agent", code, fatal=again_at is None, up=self._common.up))
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
        is_free = self._playout.is_heard_out and not self._ear.spoke_lately
        is_free = is_free and not self._machine.is_there
        if self._phone.is_attached and is_free:
            self._speech.line(self._terms.hold, now)
            self._timers.set(Timer.HOLD, now + HOLD_EVERY_S)
        else:
            self._timers.set(Timer.HOLD, now + SILENT_FOR_S / 4)

    def _give_up(self, now: float) -> None:
        """There will be no agent: the caller is told, then the call ends."""
        self._timers.stop(Timer.READY, Timer.FEED, Timer.CONNECT, Timer.HOLD)
        if self._machine.is_there:
            self._end(MACHINE)
            return
        self.state = State.ENDING
        self._effects.disconnect = True
        self._goodbye = Goodbye(AGENT_FAILED, now, said_already=True)
        self._speech.line(self._terms.apology, now)
        self._goodbye.sound(now)
        self._goodbye.done(now)
        if self._phone.is_attached:
            self._timers.set(Timer.GOODBYE, now)

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
                self._speech.latencies.update(seconds)
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
        self._log(record.Trouble("agent", code, fatal=False, up=self._common.up))
        if code.startswith("INJECT_AGENT_MESSAGE"):
            self._refuse()
        if code == CAP_WARNING:
            self._must_rotate = True

    def _interrupt(self, now: float) -> None:
        self._ear.open_utterance()
        self._may_force_turn = self._terms.uses_flux
        self._owed.pause()
        self._timers.stop(Timer.OWED, Timer.FILLER)
        is_kept = self._goodbye or (self._terms.protects_greeting and self._in_greeting)
        is_barge_in = self._speech.has_unheard and not is_kept
        self._log(record.Onset(self._common.up, barge_in=is_barge_in))
        if not is_kept:
            self._speech.silence(now)

    def _confirm(self, text: str, now: float) -> None:
        if self._injections.is_ours(text):
            self._speech.confirm(now, is_turn=False)
            self._owe(now)
            return
        self._ear.close_utterance()
        self._log(record.Heard(text, self._common.up))
        if not text.strip():
            self._ignore_noise(now)
            return
        self._noises = self._prompts = 0
        self._turn += 1
        self._in_greeting = self._spoke_since_user = False
        self._digits.talked()
        self._speech.confirm(now, is_turn=True)
        is_final = self._goodbye is not None and self._goodbye.cause == TIME_IS_UP
        if self._goodbye and not is_final and len(text.split()) > WORDS_TO_GO_ON:
            self._call_off_goodbye()
        self._owe(now)
        self._inject_again(now)

    def _ignore_noise(self, now: float) -> None:
        """A turn that never was; the answer that it interrupted may still be owed."""
        self._noises += 1
        self._speech.expect_answer()
        self._owe_again(now)
        self._inject_again(now)
        if self._noises >= NOISES_IN_A_ROW and self.state is State.TALKING:
            self._say_goodbye("nobody there", now)

    def _say(self, text: str, behavior: str, now: float) -> None:
        self._says_line = self._injections.is_line(text)
        if self._speech.text(text, "bridge" if self._says_line else behavior, now):
            self._ear.close_utterance()

    def speak(self, mulaw: bytes, now: float) -> None:
        """One binary frame of the agent."""
        if self._is_deaf or not self._speech.sound(mulaw, now):
            return
        self._recovery.proved()
        self._timers.stop(Timer.HOLD)
        if not self._says_line:
            self._spoke_since_user = True
            if self._owed.is_owed:
                self._owed.answered()
                self._timers.stop(Timer.OWED)
        if self._goodbye:
            self._goodbye.sound(now)

    def _audio_done(self, now: float) -> None:
        self._speech.done()
        if not self._ear.is_open:
            self._inject_again(now)  # it was refused for the agent's turn, not for the caller's
        if self._goodbye:
            if self._machine.is_there:
                self._log(record.Ending(MACHINE, self._common.up))  # a successor need not say it
            self._goodbye.done(now)
            self._see_goodbye(now)

    # -- silence --------------------------------------------------------------

    def _owe(self, now: float) -> None:
        """The caller waits for an answer from now on."""
        if self.state is State.TALKING and self._functions.is_idle:
            is_told = Timer.HOLD in self._timers
            self._timers.set(Timer.OWED, self._owed.begin(now, is_told=is_told))

    def _owe_again(self, now: float) -> None:
        """What interrupted the wait has come to nothing, or to an answer of ours."""
        if self._owed.is_paused:
            self._owe(now)

    def _fill(self) -> None:
        """A function takes long."""
        if self.state is State.TALKING and not self._ear.is_open:
            self._inject(self._functions.filler)

    def _see_owed(self, now: float) -> None:
        due, again_at = self._owed.look(now)
        if again_at is not None:
            self._timers.set(Timer.OWED, again_at)
        match due:
            case Due.FILLER:
                self._inject(self._terms.filler)
            case Due.RENEW:
                self.agent_lost("no answer", now)
            case Due.GIVE_UP:
                self._log(record.Trouble("agent", "no answer", fatal=True, up=self._common.up))
                self._lose_agent()
                self._give_up(now)

    def _see_idle(self, now: float) -> None:
        """Neither side has spoken for long: the caller is asked whether he is there."""
        is_idle = self.is_quiet_moment and self._phone.is_attached
        if not is_idle or not self._terms.idle_s:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self._terms.idle_s:
            self._idle_since = None
            self._prompts += 1
            if self._prompts > PROMPTS:
                self._say_goodbye("nobody there", now)
            else:
                self._inject(self._terms.still_there)

    def _see_limit(self, now: float) -> None:
        """The call has lasted long enough, or nearly so."""
        match self._limit.look(now, is_quiet=self.is_quiet_moment):
            case TimeFor.WARNING:
                self._inject(self._terms.last_minute)
            case TimeFor.GOODBYE if self.state is State.TALKING:
                self._say_goodbye(TIME_IS_UP, now)
            case TimeFor.END:
                self._end(TIME_IS_UP)
                return
        self._timers.set(Timer.LIMIT, self._limit.again_at)

    # -- functions and injections ---------------------------------------------

    def _call_function(self, call: deepgram.FunctionCall, now: float) -> None:
        if not call.client_side:
            return  # Deepgram calls that one itself
        self._owe(now)  # at the latest when it is answered
        # It may come before the turn is confirmed for which it is.
        turn = self._turn + self._ear.is_open
        if call.name in self._terms.own_tools:
            self._functions.run(call, turn, now)
            if not self._functions.is_idle:
                self._wait_for_function()
            return
        self._functions.request(call, turn)
        is_ours = call.name in self._terms.tools
        if is_ours and call.name == END_CALL:
            self._functions.settle(call, OK)
            self._ending_call = call.id
            self._start_goodbye("agent ended the call", now)
        elif is_ours and call.name == TRANSFER_CALL:
            self._transfer(call, now)
        elif is_ours and call.name == COLLECT_DIGITS:
            self._digits.collect(call, now)
            self._wait_for_function()
        else:
            self._functions.settle(call, failed("there is no such function"))

    def _wait_for_function(self) -> None:
        self._owed.pause()
        self._timers.stop(Timer.OWED)

    def _transfer(self, call: deepgram.FunctionCall, now: float) -> None:
        """The goodbye is heard first; then the phone's TwiML takes the caller to the other."""
        target = self._terms.transfers.get(str(arguments_in(call.arguments).get("target")), "")
        if not target:
            self._functions.settle(call, failed("there is no such target"))
        elif not self._terms.has_webhook or self.state is not State.TALKING:
            self._functions.settle(call, failed("this call cannot be transferred"))
        else:
            self._functions.settle(call, OK)
            self._transfer_to, self._ending_call = target, call.id
            self._log(record.Transferring(target, self._common.up))
            self._start_goodbye(TRANSFERRED, now)

    def tool_answered(self, key: str, content: str, now: float) -> None:
        """One of the operator's functions has ended. `content` is what the agent is told."""
        words = self._functions.answered(key, content)
        if self.state is not State.OVER:
            self._inject_as_user(words)
            self._owe_again(now)

    def _cancel_functions(self, ids: tuple[str, ...]) -> None:
        self._functions.cancelled(ids)
        self._digits.cancelled(ids)
        if self._goodbye and self._ending_call in ids:
            self._call_off_goodbye()

    def _inject_as_user(self, words: str) -> None:
        """Have the agent answer words that the caller did not say just now, if there are any."""
        if words and not self._machine.is_there:
            message = deepgram.inject_user_message(words)
            self._effects.agent += self._injections.send(message, words=words)
            self._speech.expect_answer()

    def _inject(self, text: str) -> None:
        """Have the agent say something."""
        message = deepgram.inject_agent_message(text)
        self._effects.agent += self._injections.send(message, line=text)
        self._speech.expect_answer()

    def _refuse(self) -> None:
        """The agent did not take what was injected last."""
        if self._injections.refuse() and self._goodbye:
            self._goodbye.refused()

    def _inject_again(self, now: float) -> None:
        """A refused injection is tried once more when the turn is over."""
        again = self._injections.again()
        if again:
            self._effects.agent += again
            self._speech.expect_answer()
            if self._goodbye and self._goodbye.was_injected:
                self._goodbye.inject(now)

    # -- the end --------------------------------------------------------------

    def _start_goodbye(self, cause: str, now: float) -> None:
        if self.state is not State.TALKING:
            return
        self.state = State.ENDING
        self._owed.stop()
        self._timers.stop(Timer.OWED, Timer.FILLER)
        self._goodbye = Goodbye(cause, now, said_already=self._spoke_since_user)
        self._log(record.Ending(cause, self._common.up))
        self._speech.expect_answer()
        self._see_goodbye(now)

    def _call_off_goodbye(self) -> None:
        if self._machine.is_there:
            return
        if self._goodbye and self._goodbye.was_injected:
            self._injections.forget_refused()
        self.state = State.TALKING
        self._goodbye = None
        self._transfer_to = ""
        self._noises = 0
        self._log(record.Ending("", self._common.up))
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
        self._functions.new_agent()  # what ends now is for the log alone
        self._effects.connect = False
        if cause == TRANSFERRED:
            self._effects.transfer = self._transfer_to
        if not self._past.is_over:  # else its former owner has logged that, and come no further
            self._log(record.Over(cause, self._common.up))
        self._effects.phone.append(messages.Ended(cause))
        self._effects.over = cause
