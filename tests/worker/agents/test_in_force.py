"""A call that is taken over goes on with the agent that it began with."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared.calls import Claim, Ringing
from shared.record import Configured, Entry, Heard, Taken
from shared.settings import Settings
from worker.agents import AgentFile, in_force, load, terms_of
from worker.toolbox import Toolbox

Write = Callable[..., Path]

CLAIM = Claim("1-0", Ringing("CA1", "+1", "+2"), 1, is_takeover=True)
BOX = Toolbox()

BEFORE = """
agent:
  listen: {provider: {version: v2, model: flux-general-en, eot_timeout_ms: 9000}}
  think: {prompt: Old.}
bridge:
  numbers: ["+15550001111"]
  tools: [end_call, transfer_call]
  transfers: {sales: "+15550002222"}
  goodbye: Old bye.
  idle_s: 0
"""
NOW = """
agent: {listen: {provider: {model: nova-3}}, think: {prompt: New.}}
bridge: {goodbye: New bye., apology: New sorry., transfers: {sales: "+15550003333"}}
"""


def files(agent_file: Write) -> tuple[AgentFile, AgentFile]:
    return load(agent_file(BEFORE))[0], load(agent_file(NOW))[0]


def configured(agent: AgentFile) -> Configured:
    terms = terms_of(CLAIM, agent, Settings(), BOX)
    return Configured(terms.settings, "r-1", 1, terms.bridge)


def log_of(*entries: Entry) -> list[tuple[int, Entry]]:
    return [(0, entry) for entry in entries]


def test_the_rules_of_a_call_are_those_it_began_with(agent_file: Write) -> None:
    before, now = files(agent_file)
    log = log_of(Taken("w", 1), configured(before), Heard("Hi.", 9))

    terms = terms_of(CLAIM, in_force(now, log, BOX), Settings(), BOX)

    assert terms.tools == ("end_call", "transfer_call")
    assert (terms.goodbye, terms.idle_s) == ("Old bye.", 0)
    assert (terms.uses_flux, terms.utterance_s) == (True, 10.0)
    assert terms.bridge == configured(before).bridge


def test_a_conversation_is_told_whether_its_call_was_anothers(agent_file: Write) -> None:
    agent, _ = files(agent_file)
    rings = replace(CLAIM, is_takeover=False)

    told = [terms_of(each, agent, Settings(), BOX).is_takeover for each in (CLAIM, rings)]
    assert told == [True, False]


def test_where_people_are_reached_and_sounds_are_as_they_are_now(agent_file: Write) -> None:
    before, now = files(agent_file)

    terms = terms_of(CLAIM, in_force(now, log_of(configured(before)), BOX), Settings(), BOX)

    assert terms.transfers == {"sales": "+15550003333"}
    assert terms.apology.text == "New sorry."


def test_a_call_that_had_no_agent_yet_has_the_one_of_now(agent_file: Write) -> None:
    _, now = files(agent_file)

    assert in_force(now, log_of(Taken("w", 1)), BOX) is now
    assert in_force(now, log_of(Configured("{}", "r-1")), BOX) is now


def test_no_number_goes_into_the_log(agent_file: Write) -> None:
    before, _ = files(agent_file)

    assert "+1555" not in configured(before).bridge


def test_fields_and_functions_of_another_version_are_left_out(agent_file: Write) -> None:
    _, now = files(agent_file)
    kept = '{"tools": ["end_call", "gone"], "added": 1, "filler": "Wait."}'

    agent = in_force(now, log_of(Configured('{"agent": {}}', "r-1", 1, kept)), BOX)

    assert agent.bridge.tools == ("end_call",)
    assert agent.bridge.filler == "Wait."
