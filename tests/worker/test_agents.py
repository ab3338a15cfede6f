"""Agent files: what goes to Deepgram, and what is said of a file that cannot be used."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.calls import Claim, Ringing
from shared.lines import sound_of
from shared.settings import Settings
from sim.agent import protocol
from worker.agents import BadAgentFile, Bridge, load, terms_of
from worker.agents.file import NO_TOOLS
from worker.context import with_past
from worker.history import Past

AGENTS = Path(__file__).parents[2] / "agents"
RINGING = Ringing("CA1", caller="+15550100", called="+15550199")

CLAIM = Claim("1-0", RINGING, 1, is_takeover=False)

Write = Callable[..., Path]


def settings(path: Path, ringing: Ringing = RINGING) -> dict[str, Any]:
    """The Settings of a file, for a call."""
    agent, _ = load(path)
    message: dict[str, Any] = json.loads(agent.settings_for(ringing))
    return message


# -- what comes with the product ----------------------------------------------


def test_the_default_agent_is_the_guides() -> None:
    message = settings(AGENTS / "default.yaml")

    assert message["agent"]["greeting"] == "Hello, how are you today?"
    assert message["agent"]["think"]["prompt"] == "You are a helpful car seller."
    assert message["agent"]["think"]["provider"] == {"type": "open_ai", "model": "gpt-4o-mini"}
    assert message["agent"]["speak"]["provider"]["model"] == "aura-2-thalia-en"
    assert message["agent"]["listen"]["provider"] == {
        "type": "deepgram",
        "version": "v2",
        "model": "flux-general-en",
        "eot_timeout_ms": 3000,
    }


def test_the_default_agent_can_end_the_call() -> None:
    declared = settings(AGENTS / "default.yaml")["agent"]["think"]["functions"]

    assert [each["name"] for each in declared] == ["end_call"]
    assert declared[0]["defer_until_eot"] is True


# -- whom the caller may be transferred to --------------------------------------


def test_the_agent_is_told_its_targets_names_and_not_their_numbers(
    agent_file: Write,
) -> None:
    path = agent_file(
        """
        agent: {think: {prompt: p}}
        bridge:
          tools: [transfer_call]
          transfers: {sales: "+15550001111", service: "sip:service@example.com"}
        """
    )
    (declared,) = settings(path)["agent"]["think"]["functions"]

    assert declared["parameters"]["properties"]["target"]["enum"] == ["sales", "service"]
    assert "5550001111" not in json.dumps(declared)


@pytest.mark.parametrize(
    "bridge",
    [
        "{transfers: {sales: +15550001111}}",  # a number to YAML
        '{transfers: {sales: "0555 123"}}',
        '{transfers: {sales: "sip:nobody"}}',
        '{transfers: {7: "+15550001111"}}',
        "{tools: [transfer_call]}",
        "{idle_s: -1}",
        '{idle_s: "10"}',
    ],
)
def test_what_cannot_be_dialled_or_waited_for_stops_us(bridge: str, agent_file: Write) -> None:
    with pytest.raises(BadAgentFile, match="bridge"):
        load(agent_file(f"agent: {{}}\nbridge: {bridge}\n"))


# -- passed through -----------------------------------------------------------


def test_what_deepgram_adds_tomorrow_goes_through(agent_file: Write) -> None:
    path = agent_file("""
agent:
  added: {deep: [1, 2.5, null, true]}
  listen: {provider: {type: deepgram, tomorrow: x}}
settings: {tags: [a], added_beside: {b: 1}}
""")

    message = settings(path)

    assert message["agent"]["added"] == {"deep": [1, 2.5, None, True]}
    assert message["agent"]["listen"] == {"provider": {"type": "deepgram", "tomorrow": "x"}}
    assert message["added_beside"] == {"b": 1}
    assert message["tags"] == ["a"]


def test_an_agent_block_alone_is_an_agent_file(agent_file: Write) -> None:
    path = agent_file("greeting: Hi.\nthink: {prompt: Be brief.}\n")

    assert settings(path)["agent"] == {"greeting": "Hi.", "think": {"prompt": "Be brief."}}


def test_a_whole_settings_message_is_one(agent_file: Write) -> None:
    message = {
        "type": "Settings",
        "mip_opt_out": True,
        "audio": {"input": {"encoding": "linear16", "sample_rate": 48000}},
        "agent": {"greeting": "Hi."},
    }

    rendered = settings(agent_file(json.dumps(message)))

    assert rendered["mip_opt_out"] is True
    assert rendered["agent"] == {"greeting": "Hi."}
    # The telephone's sound is what it is, whatever the file was written for.
    assert rendered["audio"]["input"] == {"encoding": "mulaw", "sample_rate": 8000}


def test_the_audio_is_the_telephones_whatever_stands_beside_the_agent(agent_file: Write) -> None:
    path = agent_file("agent: {greeting: Hi.}\nsettings: {audio: {input: {}}}\n")

    assert settings(path)["audio"]["output"] == {
        "encoding": "mulaw",
        "sample_rate": 8000,
        "container": "none",
    }


@pytest.mark.parametrize(
    ("listen", "flux"),
    [
        ("{provider: {type: deepgram, version: v2, model: flux-general-en}}", True),
        ("{provider: {type: deepgram, model: flux-general-multi}}", True),
        ("{provider: {type: deepgram, model: nova-3}}", False),
        ("[{provider: {type: deepgram, version: v2, model: flux-general-en}}]", True),
        ("{}", False),
        ("null", False),
    ],
)
def test_flux_is_known_by_its_provider(agent_file: Write, listen: str, *, flux: bool) -> None:
    agent, _ = load(agent_file(f"agent:\n  listen: {listen}\n"))

    assert agent.uses_flux is flux


# -- placeholders -------------------------------------------------------------


def test_placeholders_are_filled_in_greeting_and_prompt(agent_file: Write) -> None:
    path = agent_file("""
agent:
  greeting: Hello ${name}, you called ${to}.
  think: {prompt: "The caller is ${from}."}
""")
    ringing = Ringing("CA1", "+15550100", "+15550199", parameters={"name": "Ann"})

    agent = settings(path, ringing)["agent"]

    assert agent["greeting"] == "Hello Ann, you called +15550199."
    assert agent["think"]["prompt"] == "The caller is +15550100."


def test_a_machine_s_message_is_filled_in_too(agent_file: Write) -> None:
    agent, _ = load(agent_file('agent: {}\nbridge: {voicemail: "${name}, call ${from}."}'))
    ringing = Ringing("CA1", "+15550100", "+15550199", parameters={"name": "Ann"})

    assert agent.voicemail_for(ringing) == "Ann, call +15550100."


def test_each_of_several_thinks_is_filled(agent_file: Write) -> None:
    path = agent_file("""
agent: {think: [{prompt: "1 ${from}"}, {provider: {type: x}}, {prompt: "3 ${from}"}]}
bridge: {tools: [end_call]}
""")

    think = settings(path)["agent"]["think"]

    assert [each.get("prompt") for each in think] == ["1 +15550100", None, "3 +15550100"]
    assert [each["functions"][0]["name"] for each in think] == ["end_call"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 or $$6.",
        "${unknown} and ${UNKNOWN}",
        "$from and $to without braces",
        "a lone $ and ${",
    ],
)
def test_what_is_no_placeholder_stays(agent_file: Write, text: str) -> None:
    path = agent_file(f"agent: {{greeting: {json.dumps(text)}}}\n")

    assert settings(path)["agent"]["greeting"] == text


def test_a_parameter_cannot_pose_as_the_callers_number(agent_file: Write) -> None:
    path = agent_file('agent: {greeting: "${from}"}\n')
    ringing = Ringing("CA1", "+15550100", "+15550199", parameters={"from": "+1666"})

    assert settings(path, ringing)["agent"]["greeting"] == "+15550100"


def test_what_a_parameter_holds_is_not_filled_again(agent_file: Write) -> None:
    path = agent_file('agent: {greeting: "${name}"}\n')
    ringing = Ringing("CA1", "+15550100", "+1", parameters={"name": "${from}"})

    assert settings(path, ringing)["agent"]["greeting"] == "${from}"


def test_one_call_leaves_nothing_in_the_file(agent_file: Write) -> None:
    agent, _ = load(
        agent_file('agent: {think: {prompt: "${from}"}}\nbridge: {tools: [end_call]}\n')
    )

    first = agent.settings_for(Ringing("CA1", "+1", "+2"))
    second = json.loads(agent.settings_for(Ringing("CA2", "+3", "+4")))

    assert "+1" in first
    assert second["agent"]["think"]["prompt"] == "+3"
    assert len(second["agent"]["think"]["functions"]) == 1


def test_functions_of_ones_own_stay_before_ours(agent_file: Write) -> None:
    path = agent_file("""
agent: {think: {functions: [{name: book}]}}
bridge: {tools: [end_call]}
""")

    functions = settings(path)["agent"]["think"]["functions"]

    assert [each["name"] for each in functions] == ["book", "end_call"]


# -- the bridge's part --------------------------------------------------------


def test_the_bridges_part_is_read(agent_file: Write, tmp_path: Path) -> None:
    (tmp_path / "sorry.ulaw").write_bytes(b"\x55")
    (tmp_path / "hold.ulaw").write_bytes(b"\x66")
    path = agent_file("""
agent: {}
bridge:
  tools: [end_call]
  protect_greeting: true
  goodbye: Bye.
  voicemail: Call us.
  go_on: Go on.
  hold: Wait.
  hold_sound: hold.ulaw
  apology: Sorry.
  apology_sound: sorry.ulaw
""")

    agent, _ = load(path)

    assert agent.bridge == Bridge(
        tools=("end_call",),
        protect_greeting=True,
        goodbye="Bye.",
        voicemail="Call us.",
        go_on="Go on.",
        hold="Wait.",
        hold_sound=str(tmp_path / "hold.ulaw"),
        apology="Sorry.",
        apology_sound=str(tmp_path / "sorry.ulaw"),
    )
    assert agent.sounds == {"apology": b"\x55", "hold": b"\x66"}


def test_a_line_without_a_sound_of_its_own_has_ours(agent_file: Write) -> None:
    agent, _ = load(agent_file("agent: {}\nbridge: {apology_sound: ''}\n"))

    assert agent.sounds == {line: sound_of(line) for line in ("apology", "hold")}


def test_a_sound_is_read_with_its_file_and_is_not_missed_later(
    agent_file: Write, tmp_path: Path
) -> None:
    (tmp_path / "hold.ulaw").write_bytes(b"\x66")
    path = agent_file("agent: {}\nbridge: {hold_sound: hold.ulaw}\n")
    before, _ = load(path)
    (tmp_path / "hold.ulaw").write_bytes(b"\x77")
    now, _ = load(path)
    (tmp_path / "hold.ulaw").unlink()

    heard = [terms_of(CLAIM, each, Settings(), NO_TOOLS).hold.sound for each in (before, now)]
    assert heard == [b"\x66", b"\x77"]


def test_a_sound_that_cannot_be_read_is_named_with_line_and_field(
    agent_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wait.ulaw").write_bytes(b"\x66")
    path = agent_file("agent: {}\nbridge:\n  hold_sound: wait.ulaw\n")
    read_bytes = Path.read_bytes

    def refuse(asked: Path) -> bytes:
        if asked.name == "wait.ulaw":
            raise PermissionError
        return read_bytes(asked)

    monkeypatch.setattr(Path, "read_bytes", refuse)

    wanted = f"{path}:3: bridge.hold_sound: cannot be read (PermissionError)"
    with pytest.raises(BadAgentFile, match=re.escape(wanted)):
        load(path)


def test_a_sound_that_would_be_noise_is_named_with_line_and_field(
    agent_file: Write, tmp_path: Path
) -> None:
    (tmp_path / "wait.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt ")
    path = agent_file("agent: {}\nbridge:\n  hold_sound: wait.wav\n")

    wanted = f"{path}:3: bridge.hold_sound: must be bare mu-law, 8 kHz: this file has a header"
    with pytest.raises(BadAgentFile, match=re.escape(wanted)):
        load(path)


def test_it_may_be_left_out(agent_file: Write) -> None:
    agent, _ = load(agent_file("agent: {}\nbridge:\nsettings:\n"))

    assert agent.bridge == Bridge()
    assert agent.settings == {}


# -- bad files ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("", 1, "must be a mapping"),
        ("- a\n- b\n", 1, "must be a mapping"),
        ("just words\n", 1, "must be a mapping"),
        ("agent: {}\n\nbrigde: {}\n", 3, "brigde: is not known here"),
        ("agent: {}\nbridge:\n  tols: []\n", 3, "bridge.tols: is not known here"),
        ("agent: {}\nbridge:\n  tools: end_call\n", 3, "bridge.tools: must be a list"),
        ("agent: {}\nbridge:\n  tools:\n  - end_call\n  - fly\n", 5, "bridge.tools.1: no such"),
        ("agent: {}\nbridge:\n  tools:\n  - name: end_call\n", 4, "bridge.tools.0: no such"),
        ("agent: {}\nbridge:\n  goodbye: 7\n", 3, "bridge.goodbye: must be a text"),
        ("agent: {}\nbridge:\n  protect_greeting: 1\n", 3, "protect_greeting: must be true"),
        ("agent: {}\nbridge:\n  apology_sound: no.ulaw\n", 3, "apology_sound: no such file"),
        ("agent: {}\nbridge: x\n", 2, "bridge: must be a mapping"),
        ("agent: {}\nsettings: x\n", 2, "settings: must be a mapping"),
        ("agent: 7d1f0b5e-0c0b-4f2d-9f43-2a4f6f1c3a10\n", 1, "agent: must be a mapping"),
        ("agent:\n  listen: x\n", 2, "agent.listen: must be a mapping"),
        ("agent:\n  speak:\n  - {}\n  - x\n", 4, "agent.speak.1: must be a mapping"),
        ("agent:\n  think:\n    provider: x\n", 3, "agent.think.provider: must be a mapping"),
        (
            "agent:\n  think:\n    provider: open_ai\n    model: gpt-4o-mini\n",
            3,
            "agent.think.provider: must be a mapping",
        ),
        ("agent:\n  think:\n    functions: {}\n", 3, "agent.think.functions: must be a list"),
        ("agent:\n  think:\n    prompt: [a]\n", 3, "agent.think.prompt: must be a text"),
        ("agent:\n  greeting: 5\n", 2, "agent.greeting: must be a text"),
        ("agent:\n  context: x\n", 2, "agent.context: must be a mapping"),
        ("agent: {}\nbrigde: {}\n", 2, "did you mean bridge?"),
        ("agnet: {}\nbridge: {}\n", 1, "agnet: is not known here; did you mean agent?"),
        ("agnet: {}\n", 1, "did you mean agent?"),
        ("{}\n", 1, "must be a mapping with `agent:`"),
        ("agent: {}\nbridge:\n  tols: []\n", 3, "did you mean tools?"),
        ("agent: {}\nbridge:\n  tools: [end_cal]\n", 3, "did you mean end_call?"),
        ("agent: {}\nbridge:\n  idle_s: true\n", 3, "bridge.idle_s: must be a number"),
        ("agent: {}\nbridge:\n  idle_s: .inf\n", 3, "bridge.idle_s: is not JSON"),
        ("agent: {}\nbridge:\n  numbers: +15550001111\n", 3, "bridge.numbers: must be a list"),
        ("agent: {}\nbridge:\n  numbers:\n  - +15550001111\n", 4, "numbers.0: must be a quoted"),
        ("agent: {}\nbridge:\n  parameters: {name: 1}\n", 3, "bridge.parameters.name: must be"),
        ("agent: {}\nbridge:\n  parameters: {a b: x}\n", 3, "bridge.parameters.a b: must be"),
        ("agent:\n  greeting: '${env:A}'\n", 2, "agent.greeting: is said aloud"),
        ("agent: {}\nbridge:\n  voicemail: 'x ${env:A}'\n", 3, "bridge.voicemail: is said aloud"),
        ("agent: {}\nbridge:\n  filler: '${env:'\n", 3, "bridge.filler: is said aloud"),
        (
            "agent: {}\nbridge:\n  parameters:\n    name: '${env:A}'\n",
            4,
            "bridge.parameters.name: is said aloud",
        ),
        (
            "agent: {}\nbridge:\n  transfers:\n    '${env:A}': '+15550001111'\n",
            4,
            "bridge.transfers.${env:A}: is said aloud",
        ),
        ("agent:\n  greeting: A\n  greeting: B\n", 3, "agent.greeting: is there twice, first on"),
        ("agent: {a: 1, a: 2}\n", 1, "agent.a: is there twice"),
        ("agent:\n  x:\n  - a: 1\n    a: 2\n", 4, "agent.x.0.a: is there twice"),
        ("agent:\n  x: &x [*x]\n", 0, "contains itself"),
        ('agent:\n  x: "\\ud800"\n', 2, "agent.x: is not JSON"),
        ("agent: {}\nsettings:\n  tags: [2026-01-01]\n", 3, "settings.tags.0: "),
        ("agent:\n  x:\n    y: 2026-01-01T10:00:00Z\n", 3, "agent.x.y: "),
        ("agent:\n  x: .nan\n", 2, "agent.x: "),
        ("agent: {}\nbridge: {a: [}\n", 2, "not YAML"),
        ("agent: {}\nx: 2026-99-99\n", 0, "not YAML"),
        ("agent: !!python/object:os.system {}\n", 1, "not YAML"),
        ("agent: {[1]: 2}\n", 1, "not YAML"),
    ],
)
def test_a_bad_file_is_named_with_line_and_field(
    agent_file: Write, text: str, line: int, complaint: str
) -> None:
    path = agent_file(text)

    with pytest.raises(BadAgentFile) as bad:
        load(path)

    assert str(bad.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert complaint in str(bad.value)


@pytest.mark.parametrize(
    "text",
    ["[" * 3000, "agent: &a {x: *a}", "agent: {x: &a [*a]}", "agent: {}\nbridge: &a {x: *a}"],
    ids=["deep", "in itself", "list in itself", "bridge in itself"],
)
def test_a_file_without_an_end_is_named(agent_file: Write, text: str) -> None:
    path = agent_file(text)

    with pytest.raises(BadAgentFile, match=r"default\.yaml"):
        load(path)


@pytest.mark.parametrize(
    "text",
    [
        "agent: {x: 0x%s}" % ("f" * 400),
        "agent: {x: 0x%s}" % ("f" * 5000),
        'agent: {greeting: "\\ud800"}',
        'agent: {}\nbridge: {goodbye: "\\ud800"}',
        "agent: {context: }",
        "agent: {context: {messages: }}",
        "agent: {}\nbridge: {idle_s: .inf}",
        "agent: {}\nbridge: {idle_s: 0x%s}" % ("f" * 400),
        "agent: {}\nbridge: {hold_sound: %s}" % ("a" * 300),
    ],
    ids=lambda text: text[:40],
)
def test_what_could_not_be_sent_or_said_is_refused_at_once(agent_file: Write, text: str) -> None:
    with pytest.raises(BadAgentFile, match=r"default\.yaml:[12]: (agent|bridge)\."):
        load(agent_file(text))


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "default.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadAgentFile, match=r"default\.yaml: cannot be read"):
        load(path)


# -- whatever stands in a file --------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=5)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["assistant", "end_call", "transfer_call", "flux", "+15550001111", "v2"])
)
NAMES = st.sampled_from(
    sorted(
        {"agent", "settings", "bridge", "listen", "think", "speak", "provider", "model", "version"}
        | {"functions", "url", "headers", "key", "value", "context", "messages", "role", "content"}
        | {"replay", "type", "prompt", "instructions", "greeting", "keyterms", "voice_id", "tools"}
        | {"transfers", "idle_s", "hold_sound", "eot_timeout_ms", "goodbye"}
    )
)
YAML: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.dictionaries(SCALARS, inner, max_size=2)
    ),
    max_leaves=12,
)
BLOCKS = st.dictionaries(NAMES, YAML, max_size=4)
FILES = st.builds(
    lambda agent, settings, bridge: {"agent": agent, "settings": settings, "bridge": bridge},
    BLOCKS,
    st.just({}) | BLOCKS,
    st.just({}) | BLOCKS,
)
BROKEN = st.lists(
    st.sampled_from(
        ["agent: ", "bridge: ", "&a ", "*a ", "{", "}", "[", "]", "- ", "\n", "\n  ", "<<: ", "? "]
    )
    | st.sampled_from(
        ["!!set ", "!!python/object:os.system ", "!!int x", "0x", "'", '"\\', "|\n", "#", "\t"]
    ),
    max_size=15,
).map("".join)


@given(st.text() | BROKEN | (FILES | YAML).map(yaml.safe_dump))
def test_whatever_a_file_holds_it_makes_an_agent_or_is_named(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        agent, _ = load(path)
    except BadAgentFile as refusal:
        assert str(refusal).startswith(str(path))  # noqa: PT017 - both ways are right
        return
    assert isinstance(agent.uses_flux, bool)
    assert isinstance(agent.eot_timeout_s, float)
    settings = agent.settings_for(RINGING)
    told = json.loads(settings, parse_constant=pytest.fail)
    assert told["type"] == "Settings" or "type" in agent.settings
    past = Past(messages=({"type": "History", "role": "user", "content": "Hi."},), turns=1)
    again = json.loads(with_past(settings, past, answer_owed=False))
    assert again["agent"]["context"]["messages"][-1] == past.messages[-1]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(Ringing, TEXT, TEXT, TEXT, parameters=st.dictionaries(TEXT, TEXT)))
def test_whoever_calls_the_service_understands_the_settings(ringing: Ringing) -> None:
    agent, _ = load(AGENTS / "default.yaml")

    assert not isinstance(protocol.parse(agent.settings_for(ringing)), protocol.Refusal)
