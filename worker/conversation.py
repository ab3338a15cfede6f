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
from shared.causes import Cause
from shared.messages import Audio, Digit, Up
from shared.sound import FRAME_S
from worker import deepgram, said
from worker.changes import Change
from worker.common import Common
from worker.context import with_past
from worker.cues import INJECTED, Cues
from worker.desk import Desk
from worker.ear import Ear
from worker.ending import Ending
from worker.greeting import Greeting
from worker.history import fold
from worker.limit import Due as TimeFor
from worker.limit import Limit
from worker.machine import Machine, hushed
from worker.owed import Due
from worker.phone import Phone
from worker.placeholders import filled
from worker.playout import Playout
from worker.presence import Presence
from worker.quiet import Quiet
from worker.recovery import HOLD_EVERY_S, LOOK_AGAIN_S, SILENT_FOR_S, Recovery
from worker.speech import Speech
from worker.steering import Steering
from worker.terms import Effects, Inherited, State, Terms
from worker.timers import Timer
from worker.waiting import Waiting

# Welcome comes at once and SettingsApplied soon after; an agent that takes longer is not there.
READY_WITHIN_S = 5.0

# Where to listen again to an utterance that no agent has understood: a second before the
# agent noticed that it had begun, and never more than a minute back. Entries are 20 ms each.
ONSET_ENTRIES = 50
LISTEN_AT_MOST = 3000

# Deepgram ends a session after two hours, and says so five minutes before.
CAP_WARNING = "MAXIMUM_SESSION_LENGTH_APPROACHING"


class Conversation:
    """The state machine of one call. `now` in every call is the owner's clock, seconds."""

    def __init__(self, terms: Terms, now: float, inherited: Inherited | None = None) -> None:
        inherited = inherited or Inherited()
        self._terms = terms
        self._common = common = Common(inherited.log)
        self._timers = common.timers
        for cut in said.never_sent(inherited) if inherited.is_unserved else ():
            self._log(cut)
        self._past = past = fold(common.history, {})
        past_up = min(past.up, inherited.newest or past.up)  # else it counts on a former stream
        common.up = up = max(inherited.cursor, past_up)
        left = (each for each in inherited.spoken if each <= up and past.is_in_passage(each))
        common.privacy.begin(left, is_on=past.is_private)
        self.unknown = 0
        """Messages from the agent that this version does not know."""
        self._acted_up = past_up
        self._ear = Ear()
        self._ear.given = inherited.cursor
        self._playout = Playout(terms.mark_prefix, past.sentences)
        self._phone = Phone(common, self._ear, self._playout, terms.reattach_s, now)
        self._speech = Speech(common, self._ear, self._playout)
        self._recovery = Recovery()
        self._waiting = Waiting(common, self._ear)
        self._cues = cues = Cues(common, self._speech)
        self._ending = Ending(common, terms, cues, self._speech, self._waiting, past)
        self._desk = Desk(common, terms, cues, self._waiting, self._ending, past, now)
        self._steering = Steering(common, cues, terms.variables)
        self.quiet = Quiet(common, self._speech, self._waiting, self._desk, self._steering)
        self._presence = Presence(common, terms, cues, self._ending)
        self._machine = Machine(terms.voicemail)
        self._has_agent = self._says_line = False
        self._request_id = ""
        self._settings = past.settings or terms.settings
        self._must_rotate = self._must_move = False
        self._resumed_with = ""  # what was injected for the agent to go on
        self._limit = Limit(terms.max_s, inherited.age_s, now)
        self._timers.set(Timer.LIMIT, self._limit.again_at)
        self._timers.set(Timer.RING, now + terms.ring_s)
        self._speech.inherit(inherited)
        self._greeting = Greeting(past, self._playout, is_protected=terms.protects_greeting)
        if past.machine and not past.ending:
            self._effects.listen_after = self.cursor
            self._meet_machine(past.machine, now)
        else:
            self._begin(now)

    # -- the rim's side -------------------------------------------------------

    @property
    def state(self) -> State:
        return self._common.state

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
        if self._common.state is State.OVER:
            self._steering.call_over()
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
                self._ending.end(Cause.PHONE_DID_NOT_COME)
            case Timer.REATTACH:
                self._ending.end(Cause.PHONE_LOST)
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
                self._fill(now)
            case Timer.DIGITS:
                self._desk.end_number(now)
            case Timer.COLLECT:
                self._desk.number_is_late(now)
            case Timer.HOLD:
                self._hold(now)
            case Timer.GOODBYE:
                self._ending.see(now)
            case Timer.LIMIT:
                self._see_limit(now)

    def look(self, now: float) -> None:
        """Now and then: whether the phone still speaks, and whether anybody does."""
        if self._phone.is_lost(now):
            self.detached(now)  # an edge that died says no word of it
        self._steering.look(now)
        self._presence.look(now, is_idle=self.quiet.is_idle and self._phone.is_attached)
        self._see_passage()

    def _see_passage(self) -> None:
        """What nobody may read later goes as soon as nobody needs to listen to it again."""
        privacy, ear = self._common.privacy, self._ear
        if self._has_agent and not ear.is_open and not ear.is_behind:
            self._effects.forget_up += privacy.to_delete(ear.given)
        if self._playout.is_heard_out:
            privacy.heard_out()

    def forgets(self) -> tuple[int, ...]:
        """The caller's entries that must go before the phone leaves the stream they are on."""
        return self._common.privacy.to_delete()

    def _log(self, entry: record.Entry) -> None:
        self._common.log(entry)

    # -- the phone ------------------------------------------------------------

    def attached(self, now: float) -> None:
        """A phone is there, on a new stream whose clock starts anew."""
        if self.state is State.OVER:
            return
        self._common.history.append((0, record.Attached("", "")))
        self._common.privacy.new_phone()
        self._acted_up = 0
        self._must_move = False
        self._phone.attach(now)
        if Timer.HOLD in self._timers:
            self._timers.set(Timer.HOLD, now + SILENT_FOR_S)
        self._ending.attached(now)

    def rejoined(self, now: float) -> None:
        """A phone was there before us, on a stream that we go on with, if it still speaks."""
        self._phone.rejoin(now)
        self._ending.rejoined(now)

    def detached(self, now: float) -> None:
        """The phone socket is gone, and nobody said that the call is over."""
        if not self._terms.has_webhook:
            self._ending.end(Cause.PHONE_LOST)
        elif self.state is not State.OVER:
            self._phone.detach(now)

    def move(self) -> None:
        """The phone's edge is told to stop: in a quiet moment Twilio takes the call to another."""
        self._must_move = self._terms.has_webhook

    def from_caller(self, sequence: int, message: Up, now: float) -> None:
        """One entry of the caller's stream. Those read again are heard again, not acted on."""
        if self._common.state is State.OVER:
            return
        if sequence > self._common.up:
            self._common.up = sequence
            self._common.privacy.seen(sequence, message)
            if isinstance(message, Audio):
                self._phone.sounds(now)
        self._phone.spoke(now)
        match message:
            case Audio():
                self._hear(sequence, message, now)
            case messages.Mark(name, timestamp):
                if self._playout.echo(name, timestamp):
                    self._ending.echoed(now)
            case Digit(digit):
                if sequence > self._acted_up:
                    self._acted_up = sequence
                    self._press(digit, sequence, now)
            case messages.Dropped(name):
                self._playout.dropped(name)
            case messages.Ended(cause):
                self._ending.end(cause)
            case messages.Detached():
                self.detached(now)

    def hung_up(self, cause: str) -> None:
        """Twilio says that the call is over."""
        self._ending.end(cause)

    def answered(self, by: str, now: float) -> None:
        """A machine has taken the call, Twilio says: what was meant for a person is taken back."""
        if self.state is not State.OVER and not self._machine.is_there:
            self._common.history.append((0, record.AnsweredBy(by)))
            self._speech.silence(now)
            self._meet_machine(by, now)

    def _meet_machine(self, by: str, now: float) -> None:
        """It is left the message by an agent of its own, when it has greeted."""
        self._ending.forget()
        self._cues.for_machine()
        self._steering.for_machine()
        self._timers.stop(Timer.READY, Timer.HOLD, Timer.GOODBYE, Timer.DIGITS, Timer.COLLECT)
        if not self._machine.meet(by):
            self._ending.end(Cause.ANSWERING_MACHINE)
            return
        self._settings = self._machine.settings(self._settings)
        self._lose_agent()
        self._effects.disconnect = True
        self._common.state = State.CONNECTING
        self._timers.set(Timer.CONNECT, now + self._machine.patience_s)

    def _hear(self, sequence: int, frame: Audio, now: float) -> None:
        if self._machine.is_there:
            if self._machine.falls_silent(frame):
                self._timers.set(Timer.CONNECT, now)
            frame = hushed(frame)
        if (self._must_rotate or self._must_move) and self.quiet.is_moment:
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
        if self._terms.uses_flux and self._ear.take_cough():
            self._effects.agent.append(deepgram.FORCE_END_TURN)
        if self._ear.quiet_ms >= self._terms.utterance_s * 1000:
            self._ear.close_utterance()
            self._log(record.Heard("", self._common.up))
            self._waiting.again(now)
            self._inject_again(now)

    def _use_quiet_moment(self, now: float) -> None:
        if self._must_rotate:
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
        if self._desk.is_new_number and is_talking and digit != "#":
            self._speech.silence(now, by_key=True)
            self._greeting.over()
        self._presence.seen()
        self._desk.press(digit, sequence, now)

    # -- the agent comes and goes ---------------------------------------------

    def _begin(self, now: float) -> None:
        """Ask for an agent socket, and for the caller's words that no agent has understood."""
        self._past = past = fold(self._common.history, self._playout.sounded_ms())
        for cut in past.cut_short:
            self._log(cut)
        self._lose_agent()
        self._cues.new_agent()
        self._speech.new_agent()
        self._must_rotate = False
        self._timers.stop(Timer.CATCH_UP)
        if past.is_poison:
            self._give_up(now)
        elif past.ending:
            self._ending.resume(past.ending, now)
        else:
            self._common.state = State.CONNECTING
            self._effects.connect = True
            self._recovery.begin(now)
            self._timers.set(Timer.READY, now + READY_WITHIN_S)
            self._timers.start(Timer.HOLD, now + SILENT_FOR_S)
        after = min(self.cursor, past.onset - ONSET_ENTRIES) if past.onset else self.cursor
        self._effects.listen_after = max(0, after, self._common.up - LISTEN_AT_MOST)

    def _lose_agent(self) -> None:
        """What the caller says from now on waits, as do words of ours."""
        self._has_agent = False
        self._waiting.stop()
        self._desk.new_agent()
        self._ear.listen_again()
        self._cues.agent_lost()
        self._steering.agent_lost()

    def _welcome(self, request_id: str, now: float) -> None:
        if self.state is not State.CONNECTING:
            return
        self._common.state = State.CONFIGURING
        self._request_id = request_id
        self._timers.set(Timer.READY, now + READY_WITHIN_S)
        past, more_to_come = self._past, self._ear.has_spoken
        settings = filled(self._settings, self._terms.variables)
        self._effects.agent.append(with_past(settings, past, answer_owed=more_to_come))
        self._cues.take_back(self._resumed_with)  # that was for an agent which got no further
        self._resumed_with = past.owed or (self._terms.go_on if past.was_cut_off else "")
        if self._resumed_with and not more_to_come:  # else the agent will answer that
            self._cues.as_user(self._resumed_with)

    def _start_talking(self, now: float) -> None:
        if self.state is not State.CONFIGURING:
            return
        self._common.state = State.TALKING
        self._has_agent = True
        self._recovery.ready(now)
        self._timers.stop(Timer.READY)
        if self._past.owed or self._past.was_cut_off:
            self._waiting.begin(now)  # and until the agent speaks the line is dead
        else:
            self._timers.stop(Timer.HOLD)
        bridge, up = self._terms.bridge, self._common.up
        self._log(record.Configured(self._settings, self._request_id, up, bridge))
        self._ear.agent_is_ready()
        self._timers.set(Timer.CATCH_UP, now)
        self._timers.set(Timer.FEED, now)
        self._cues.agent_ready()
        self._steering.agent_ready()
        if self._machine.is_there:
            self._ending.begin(self._machine.goodbye(now), now)

    def agent_lost(self, code: str, now: float) -> None:
        """The agent refused, failed or went away: another attempt, or the caller is told."""
        if self._is_deaf:
            return  # it is known
        if self._steering.agent_lost(code):
            code = "update refused"  # the call goes on without it
        is_ending = self._ending.goodbye is not None
        again_at = None if is_ending else self._recovery.lost(code, now)
        self._log(record.Trouble("agent", code, fatal=again_at is None, up=self._common.up))
        self._lose_agent()
        if is_ending:
            self._ending.agent_lost(now)
            return
        if again_at is None:
            self._give_up(now)
            return
        self._common.state = State.CONNECTING
        self._timers.stop(Timer.READY)
        if again_at <= now:
            self._begin(now)
        else:
            self._timers.set(Timer.CONNECT, again_at)

    def _hold(self, now: float) -> None:
        """The agent has been gone for so long that the line feels dead."""
        is_free = self._phone.is_attached and self._playout.is_heard_out
        if is_free and not self._ear.spoke_lately and not self._machine.is_there:
            self._speech.line(self._terms.hold, now)
            self._timers.set(Timer.HOLD, now + HOLD_EVERY_S)
        else:
            self._timers.set(Timer.HOLD, now + LOOK_AGAIN_S)

    def _give_up(self, now: float) -> None:
        """There will be no agent: the caller is told, then the call ends."""
        if self._machine.is_there:
            self._ending.end(Cause.ANSWERING_MACHINE)
            return
        self._ending.give_up(now, has_phone=self._phone.is_attached)

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
                    # It may come before the turn is confirmed for which it is.
                    self._desk.ask(call, now, is_turn_open=self._ear.is_open)
            case deepgram.FunctionAnswered():
                self._desk.overhear(event, now)
            case deepgram.FunctionCallCancelled(ids):
                self._desk.cancelled(ids, now)
            case deepgram.Updated(what):
                self._update(what)
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

    @property
    def _is_deaf(self) -> bool:
        """Whether nothing that an agent says counts any more."""
        is_gone = self.state is State.ENDING and not self._has_agent
        return is_gone or self.state is State.OVER or Timer.CONNECT in self._timers

    def _warned(self, code: str) -> None:
        self._log(record.Trouble("agent", code, fatal=False, up=self._common.up))
        if code.startswith("INJECT_AGENT_MESSAGE"):
            self._refuse()
        if code == CAP_WARNING:
            self._must_rotate = True

    def _interrupt(self, now: float) -> None:
        self._ear.open_utterance()
        self._cues.caller_spoke()
        self._waiting.pause()
        is_kept = self._ending.goodbye or self._greeting.is_kept(self._ear.clock)
        is_barge_in = self._speech.has_unheard and not is_kept
        self._log(record.Onset(self._ear.given, barge_in=is_barge_in))
        if not is_kept:
            self._speech.silence(now)

    def _confirm(self, text: str, now: float) -> None:
        if self._cues.is_ours(text):
            self._speech.confirm(now, is_turn=False)
            self._waiting.begin(now)
            return
        self._ear.close_utterance()
        self._log(record.Heard(text, self._common.up))
        if not text.strip():
            self._ignore_noise(now)
            return
        self._presence.seen()
        self._greeting.over()
        self._ending.has_spoken = False
        self._desk.talked(now)
        self._speech.confirm(now, is_turn=True)
        self._ending.talked(text)
        self._waiting.begin(now)
        self._inject_again(now)

    def _ignore_noise(self, now: float) -> None:
        """A turn that never was; the answer that it interrupted may still be owed."""
        self._speech.expect_answer()
        self._waiting.again(now)
        self._inject_again(now)
        self._presence.noise(now)

    def _say(self, text: str, behavior: str, now: float) -> None:
        ours = self._cues.behavior_of(text)
        self._says_line = bool(ours) or behavior in record.ASIDES
        self._greeting.text(is_ours=bool(ours))
        is_heard = self._speech.text(text, ours or behavior, now)
        if is_heard and behavior not in record.ASIDES:
            self._ear.close_utterance()
        if ours == INJECTED:
            self._steering.said(text, is_heard=is_heard)

    def speak(self, mulaw: bytes, now: float) -> None:
        """One binary frame of the agent."""
        if self._is_deaf or not self._speech.sound(mulaw, now):
            return
        self._recovery.proved()
        self._timers.stop(Timer.HOLD)
        self._greeting.sound()
        if not self._says_line:
            self._ending.has_spoken = True
            self._waiting.answered()
        self._ending.sound(now)

    def _audio_done(self, now: float) -> None:
        self._speech.done()
        self._greeting.over()
        self._cues.agent_spoke()
        if not self._ear.is_open:
            self._inject_again(now)  # it was refused for the agent's turn, not for the caller's
        if self._machine.is_there and self._ending.goodbye:  # a successor need not say it
            self._log(record.Ending(Cause.ANSWERING_MACHINE, self._common.up))
        self._ending.done(now)

    # -- silence --------------------------------------------------------------

    def _fill(self, now: float) -> None:
        """A function takes long."""
        if self._ear.is_open:
            self._timers.set(Timer.FILLER, now + LOOK_AGAIN_S)
        elif self.state is State.TALKING:
            self._cues.line(self._desk.filler)

    def _see_owed(self, now: float) -> None:
        match self._waiting.look(now):
            case Due.FILLER:
                self._cues.line(self._terms.filler)
            case Due.RENEW:
                self.agent_lost("no answer", now)
            case Due.GIVE_UP:
                self._log(record.Trouble("agent", "no answer", fatal=True, up=self._common.up))
                self._lose_agent()
                self._give_up(now)

    def _see_limit(self, now: float) -> None:
        """The call has lasted long enough, or nearly so."""
        match self._limit.look(now, is_quiet=self.quiet.is_idle):
            case TimeFor.WARNING:
                self._cues.line(self._terms.last_minute)
            case TimeFor.GOODBYE:
                self._ending.say(Cause.TIME_IS_UP, now)
            case TimeFor.END:
                self._ending.end(Cause.TIME_IS_UP)
                return
        self._timers.set(Timer.LIMIT, self._limit.again_at)

    # -- functions and changes --------------------------------------------------

    def tool_answered(self, key: str, content: str, now: float) -> None:
        """One of the operator's functions has ended. `content` is what the agent is told."""
        self._desk.answered(key, content, now)

    def change(self, change: Change, now: float, order: str = "") -> None:
        """A tool, or an operator by an order, wants something done in mid-call."""
        self._steering.take(change, self._settings, now, order)

    def _update(self, what: str) -> None:
        self._steering.acknowledged(what)
        self._settings = fold(self._common.history, {}).settings or self._settings

    def _refuse(self) -> None:
        """The agent did not take what was injected last."""
        if (line := self._cues.refuse()) is None:
            self._ending.refused()
        else:
            self._steering.refused(line)

    def _inject_again(self, now: float) -> None:
        """What was refused is tried once more when the turn is over."""
        if self._cues.again():
            self._ending.injected_again(now)
