"""The functions of ours that an agent may call, as Deepgram wants them declared."""

from typing import Any

END_CALL = "end_call"

BUILT_IN: dict[str, dict[str, Any]] = {
    END_CALL: {
        "name": END_CALL,
        "description": (
            "End the phone call. Call this when the conversation is over, for example after the "
            "caller has said goodbye. Say a short goodbye as well: it is heard before the line "
            "is closed."
        ),
        "parameters": {"type": "object", "properties": {}},
        "defer_until_eot": True,
    },
}
"""Function declarations by name. What cannot be undone waits for the end of the caller's turn."""
