"""Agent files: what the agent is, as YAML in three parts.

    agent:     Deepgram's `Settings.agent`, passed through as it stands, unknown fields and all
    settings:  what stands beside it in Settings: tags, flags, mip_opt_out, experimental
    bridge:    ours, and strict

A file that holds the agent block alone is taken as such, and so is a whole
Settings message. The early-access shape of Deepgram's first Twilio guide is
converted, with a warning for each thing that became another (`worker.oldshape`).

One file (`file`) is a document (`document`) with our own part (`bridge`); a folder of them
(`folder`) answers calls. `stored` fetches what Deepgram keeps,
`editors` is the schema by which editors complete, `listing` tells an operator what there is.
"""

import json
from collections.abc import Iterable
from dataclasses import replace

from shared import record
from shared.calls import Claim
from shared.settings import Settings
from worker.agents.bridge import Bridge, kept, restored
from worker.agents.document import BadAgentFile
from worker.agents.file import AgentFile, load
from worker.agents.folder import Folder, Reading, choose, load_folder
from worker.terms import Line, Terms
from worker.toolbox import Toolbox

__all__ = [
    "AgentFile",
    "BadAgentFile",
    "Bridge",
    "Folder",
    "Reading",
    "choose",
    "in_force",
    "load",
    "load_folder",
    "terms_of",
]


def in_force(
    agent: AgentFile, log: Iterable[tuple[int, record.Entry]], toolbox: Toolbox
) -> AgentFile:
    """The agent with which a call goes on: the one it began with, whatever its file says now."""
    for _, entry in reversed(list(log)):
        if isinstance(entry, record.Configured) and entry.bridge:
            block = json.loads(entry.settings)["agent"]
            return replace(agent, agent=block, bridge=restored(entry.bridge, agent.bridge, toolbox))
    return agent


def terms_of(claim: Claim, agent: AgentFile, settings: Settings, toolbox: Toolbox) -> Terms:
    """What a conversation must know of this call and its agent."""
    ringing, bridge = claim.ringing, agent.bridge
    protects = bridge.protect_greeting
    own = {name: tool.filler for name, tool in toolbox.tools.items() if name in bridge.tools}
    return Terms(
        settings=agent.settings_for(ringing, toolbox),
        variables=agent.variables,
        bridge=kept(bridge),
        mark_prefix=f"{claim.epoch:x}",
        uses_flux=agent.uses_flux,
        call_sid=ringing.call_sid,
        is_takeover=claim.is_takeover,
        tools=bridge.tools,
        own_tools=own,
        transfers=bridge.transfers,
        protects_greeting=ringing.direction != "inbound" if protects is None else protects,
        has_webhook=ringing.has_webhook,
        goodbye=bridge.goodbye,
        voicemail=agent.voicemail_for(ringing),
        go_on=bridge.go_on,
        filler=bridge.filler,
        still_there=bridge.still_there,
        last_minute=bridge.last_minute,
        max_s=settings.max_call_s,
        idle_s=bridge.idle_s,
        utterance_s=agent.eot_timeout_s + 1.0,
        apology=Line(bridge.apology, agent.sounds["apology"]),
        hold=Line(bridge.hold, agent.sounds["hold"]),
        ring_s=settings.ring_s + ringing.notice_s,
        reattach_s=settings.reattach_s,
    )
