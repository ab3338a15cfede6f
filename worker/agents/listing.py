"""`python -m worker agents`: what is wrong with the agent files, or what each of them does.

agents/sales.yaml
  answers    calls to +15551230000; calls that name the agent sales
  listen     deepgram flux-general-en
  think      open_ai gpt-4o-mini, else anthropic claude-haiku-4-5
  ...
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shared.settings import BadSetting, read
from worker.agents.document import BadAgentFile, texts_in
from worker.agents.file import AgentFile
from worker.agents.folder import DEFAULT, Folder, Reading
from worker.agents.stored import stored_agents
from worker.placeholders import names_in
from worker.toolbox import load
from worker.tools import BadTools

# Those that a call always brings.
_NUMBERS = {"from", "to"}


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Exit status 0 if a worker can serve with these files, else 2.

    Args:
        arguments: The folder; none: the one of the setting AGENTS.
    """
    try:
        settings = read(environ)
        reading = Reading(load(settings.tools), environ, stored_agents(settings))
    except (BadSetting, BadTools) as exc:
        return _fail([str(exc)])
    path = Path(arguments[0] if arguments else settings.agents)
    try:
        folder = Folder(path, reading)
    except BadAgentFile as first:
        return _fail(_faults(path, reading) or [str(first)])
    for name, agent in folder.agents.items():
        sys.stdout.write("\n".join([str(path / f"{name}.yaml"), *told(agent), ""]))
    for warning in folder.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return 0


def _faults(path: Path, reading: Reading) -> list[str]:
    """All that is wrong with the files by themselves, one sentence a file."""
    faults = []
    for each in sorted(path.glob("*.yaml")):
        try:
            reading.load(each)
        except BadAgentFile as bad:
            faults.append(str(bad))
    return faults


def _fail(faults: Sequence[str]) -> int:
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    return 2


def told(agent: AgentFile) -> Iterator[str]:
    """What an agent does, a line each."""
    bridge = agent.bridge
    parameters, variables = _names(agent)
    rows = {
        "answers": "; ".join(_calls(agent)),
        "listen": _providers(agent, "listen"),
        "think": _providers(agent, "think"),
        "speak": _providers(agent, "speak"),
        "tools": ", ".join(bridge.tools) or "none",
        "transfers": ", ".join(f"{name} to {to}" for name, to in bridge.transfers.items()),
        "parameters": ", ".join(parameters),
        "environment": ", ".join(variables),
    }
    return (f"  {name:<11} {value}" for name, value in rows.items() if value)


def _calls(agent: AgentFile) -> Iterator[str]:
    if agent.bridge.numbers:
        yield f"calls to {', '.join(agent.bridge.numbers)}"
    yield f"calls that name the agent {agent.name}"
    if agent.name == DEFAULT:
        yield "all that nobody else answers"


def _providers(agent: AgentFile, part: str) -> str:
    """Who does it, and who does when that fails."""
    known = (each.get("provider", {}) for each in agent.blocks(part))
    named = (f"{each.get('type', '?')} {_model(each)}".strip() for each in known)
    return ", else ".join(named) or "Deepgram's default"


def _model(provider: Mapping[str, object]) -> str:
    return str(provider.get("model") or provider.get("model_id") or provider.get("voice") or "")


def _names(agent: AgentFile) -> tuple[list[str], list[str]]:
    """The parameters that calls should bring, and the variables of the environment."""
    texts = [agent.agent.get("greeting", "")]
    texts += [each.get("prompt", "") for each in agent.blocks("think")]
    asked = {name for text in texts for name in names_in(text)[0]} - _NUMBERS
    given = agent.bridge.parameters
    known = [f"{name} (else {given[name]!r})" if name in given else name for name in sorted(asked)]
    used = texts_in([agent.agent, agent.settings], ())
    return known, sorted({name for _, text in used for name in names_in(text)[1]})
