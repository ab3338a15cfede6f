"""What must hold in most scenarios, whatever the fault."""

from sim.agent import SessionRecord
from sim.faults.finding import Finding
from sim.faults.sound import heard_whole
from sim.phone.record import CallResult


def context(session: SessionRecord) -> list[tuple[str, str]]:
    """The conversation that a session was told of: (role, text)."""
    assert session.settings is not None, "a session that was found by its caller has them"
    messages = session.settings["agent"].get("context", {}).get("messages", [])
    return [(each["role"], each["content"]) for each in messages if "content" in each]


def check_stayed(finding: Finding, result: CallResult, *heard: str) -> None:
    """The caller stayed on one stream, heard all of this, and was parted from politely."""
    finding.same("the phone's sockets", len(result.streams), 1)
    finding.same("the end", result.ended, "hangup verb")
    finding.expect(heard_whole(result, *heard), "the caller heard every sentence whole")
    check_carrier(finding, result)


def check_carrier(finding: Finding, result: CallResult) -> None:
    """The carrier had nothing to complain about."""
    finding.expect(not result.rejections, "the carrier refused nothing")
