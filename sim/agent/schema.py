"""The shapes of `Settings` and of its parts that can be updated later, with their rules.

Model names are not checked, since the service adds some every month; everything else is. The
stand-in speaks and hears 8 kHz mu-law alone and says so with INVALID_SETTINGS, although the
service itself accepts more. Think Live is by invitation, and this project is not invited.
"""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sim.agent.shapes import (
    Check,
    UnfitError,
    anything,
    choice,
    fields,
    flag,
    integer,
    listing,
    mapping,
    not_allowed,
    number,
    one_or_many,
    ruled,
    tagged,
    text,
    within,
    word,
)

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _only_mulaw(value: Any, path: str) -> None:
    if value.get("encoding", "linear16") != "mulaw" or value.get("sample_rate", 8000) != 8000:
        raise not_allowed(path, "this stand-in speaks mulaw at 8000 Hz only")


def _plain(value: Any, path: str) -> None:
    if value.get("container", "none") != "none":
        raise not_allowed(path, "this stand-in sends sound without a container only")
    if "bitrate" in value:
        raise not_allowed(path, "mulaw has no bitrate")


def _both_ways(value: Any, path: str) -> None:
    # Both default to linear16, which the stand-in does not speak.
    for way in ("input", "output"):
        _only_mulaw(value.get(way, {}), f"{path}.{way}")


_INPUT = choice(
    *("linear16", "linear32", "flac", "alaw", "mulaw", "amr-nb", "amr-wb", "opus"),
    *("ogg-opus", "speex", "g729"),
)
_OUTPUT = choice("linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac")
_AUDIO = ruled(
    fields(
        {},
        {
            "input": fields({"encoding": _INPUT, "sample_rate": integer}),
            "output": ruled(
                fields(
                    {},
                    {
                        "encoding": _OUTPUT,
                        "sample_rate": integer,
                        "bitrate": integer,
                        "container": choice("none", "wav", "ogg"),
                    },
                ),
                _plain,
            ),
        },
    ),
    _both_ways,
)

_SAID = fields({"type": word("History"), "role": choice("user", "assistant"), "content": text})
_CALLED = fields(
    {
        "type": word("History"),
        "function_calls": listing(
            fields(
                {
                    "id": text,
                    "name": text,
                    "client_side": flag,
                    "arguments": text,
                    "response": text,
                },
                {"thought_signature": text},
            )
        ),
    }
)


def _history(value: Any, path: str) -> None:
    called = isinstance(value, dict) and "function_calls" in value
    (_CALLED if called else _SAID)(value, path)


def _no_flux(value: Any, path: str) -> None:
    if value.get("model", "").startswith("flux"):
        raise not_allowed(f"{path}.model", "Flux needs version v2")


def _flux_rules(value: Any, path: str) -> None:
    if not value["model"].startswith("flux"):
        raise not_allowed(f"{path}.model", "version v2 is Flux only")
    if "language_hints" in value and value["model"] != "flux-general-multi":
        raise not_allowed(f"{path}.language_hints", "only flux-general-multi takes hints")
    if value.get("eager_eot_threshold", 0) > value.get("eot_threshold", 0.7):
        raise not_allowed(f"{path}.eager_eot_threshold", "must not exceed eot_threshold")


_NOVA = ruled(
    fields(
        {"type": choice("deepgram")},
        {
            "version": choice("v1"),
            "model": text,
            "language": text,
            "keyterms": listing(text),
            "smart_format": flag,
        },
    ),
    _no_flux,
)
_FLUX = ruled(
    fields(
        {"type": choice("deepgram"), "version": choice("v2"), "model": text},
        {
            "language_hints": listing(text),
            "eot_threshold": within(0.5, 1.0),
            "eager_eot_threshold": within(0.3, 0.9),
            "eot_timeout_ms": within(500, 60_000, integer),
            "keyterms": listing(text),
        },
    ),
    _flux_rules,
)


def _listen_provider(value: Any, path: str) -> None:
    flux = isinstance(value, dict) and value.get("version") == "v2"
    (_FLUX if flux else _NOVA)(value, path)


LISTEN: Check = fields({}, {"provider": _listen_provider})
LISTEN_UPDATE: Check = fields({"provider": _listen_provider})

_EFFORT = choice("none", "minimal", "low", "medium", "high")
_KIND = {"type": text, "model": text}
_THINKERS = {
    "open_ai": fields(
        _KIND, {"version": text, "temperature": within(0, 2), "reasoning_mode": _EFFORT}
    ),
    "anthropic": fields(_KIND, {"version": text, "temperature": within(0, 1)}),
    # With an own endpoint Google's model stands in the URL.
    "google": fields({"type": text}, {"model": text, "version": text, "temperature": within(0, 2)}),
    "nvidia": fields(_KIND, {"version": text, "temperature": within(0, 2)}),
    "groq": fields(
        _KIND, {"version": text, "temperature": within(0, 2), "reasoning_mode": _EFFORT}
    ),
    "aws_bedrock": fields(_KIND, {"temperature": within(0, 2), "credentials": mapping(text)}),
    "deepgram": fields(
        _KIND,
        {
            "version": text,
            "temperature": within(0, 2),
            "reasoning_mode": _EFFORT,
            "voice_prompt_opt_out": flag,
        },
    ),
}


def _no_filler(value: Any, path: str) -> None:
    if filler := [name for name in value if "filler" in name]:
        raise not_allowed(f"{path}.{filler[0]}", "requires agent.think_live")


_FUNCTION = ruled(
    fields(
        {"name": text},
        {
            "description": text,
            "parameters": mapping(anything),
            "endpoint": fields({"url": text}, {"method": text, "headers": mapping(text)}),
            "defer_until_eot": flag,
            "initial_agent_filler": flag,
            "agent_filler_max_count": integer,
            "agent_filler_interval_ms": integer,
        },
    ),
    _no_filler,
)


def _context_length(value: Any, path: str) -> None:
    (word("max") if isinstance(value, str) else number)(value, path)


def _think_rules(value: Any, path: str) -> None:
    own = "endpoint" in value
    if value["provider"]["type"] in ("groq", "aws_bedrock") and not own:
        raise not_allowed(f"{path}.endpoint", "this provider needs one")
    if "context_length" in value and not own:
        raise not_allowed(f"{path}.context_length", "needs an endpoint")


_ENDPOINT = fields({"url": text}, {"headers": mapping(text)})
THINK: Check = one_or_many(
    ruled(
        fields(
            {"provider": tagged("type", _THINKERS)},
            {
                "endpoint": _ENDPOINT,
                "prompt": text,
                "functions": listing(_FUNCTION),
                "context_length": _context_length,
            },
        ),
        _think_rules,
    )
)


def _deepgram_voice(value: Any, path: str) -> None:
    flux = value.get("version") == "v2"
    if flux != value["model"].startswith("flux"):
        raise not_allowed(f"{path}.model", "Flux voices need version v2, the others v1")
    if "expressivity" in value and not flux:
        raise not_allowed(f"{path}.expressivity", "Flux voices only")
    if not (0.5 if flux else 0.7) <= value.get("speed", 1.0) <= 1.5:
        raise UnfitError("FAILED_TO_SPEAK", f"{path}.speed", "out of range")


_SPEAKERS = {
    "deepgram": ruled(
        fields(
            _KIND,
            {
                "version": choice("v1", "v2"),
                "speed": number,
                "expressivity": within(-2, 2, integer),
            },
        ),
        _deepgram_voice,
    ),
    "eleven_labs": fields(
        {"type": text, "model_id": text}, {"version": text, "language": text, "language_code": text}
    ),
    "cartesia": fields(
        {"type": text, "model_id": text, "voice": fields({"mode": text, "id": text})},
        {"version": text, "language": text, "volume": within(0.5, 2.0)},
    ),
    "open_ai": fields({**_KIND, "voice": text}, {"version": text}),
    "aws_polly": fields(
        {
            "type": text,
            "voice": text,
            "language": text,
            "engine": text,
            "credentials": mapping(text),
        },
        {"language_code": text},
    ),
}


def _speak_rules(value: Any, path: str) -> None:
    kind = value["provider"]["type"]
    if "endpoint" in value:
        _speak_url(value["endpoint"]["url"], kind, f"{path}.endpoint.url")
    elif kind not in ("deepgram", "cartesia"):
        raise not_allowed(f"{path}.endpoint", "this provider needs one")


def _speak_url(given: str, kind: str, path: str) -> None:
    try:
        url = urlsplit(given)
    except ValueError:
        raise not_allowed(path, "must be a URL") from None
    is_eleven = kind == "eleven_labs"
    if url.scheme != "https" and not (is_eleven and url.scheme == "wss"):
        raise not_allowed(path, "must be https, or wss for ElevenLabs")
    if is_eleven and {"output_format", "model_id"} & parse_qs(url.query).keys():
        raise not_allowed(path, "output_format and model_id are the service's to say")


SPEAK: Check = one_or_many(
    ruled(
        fields({"provider": tagged("type", _SPEAKERS)}, {"endpoint": _ENDPOINT}),
        _speak_rules,
    )
)

_AGENT = fields(
    {},
    {
        "language": text,
        "context": fields({}, {"messages": listing(_history)}),
        "listen": LISTEN,
        "think": THINK,
        "speak": SPEAK,
        "greeting": text,
    },
)


def _agent(value: Any, path: str) -> None:
    if not isinstance(value, str):
        _AGENT(value, path)
    elif not _UUID.fullmatch(value):
        raise UnfitError("INVALID_AGENT_ID", path, "expected the UUID of an agent configuration")


def _no_fast_opt_out(value: Any, path: str) -> None:
    agent = value["agent"] if isinstance(value["agent"], dict) else {}
    think = agent.get("think", [])
    models = [
        each["provider"].get("model") for each in (think if isinstance(think, list) else [think])
    ]
    if value.get("mip_opt_out") and "think-fast" in models:
        raise not_allowed("mip_opt_out", "think-fast cannot be had with it")


SETTINGS: Check = ruled(
    fields(
        {"type": word("Settings"), "audio": _AUDIO, "agent": _agent},
        {
            "tags": listing(text),
            "experimental": flag,
            "mip_opt_out": flag,
            "flags": fields({}, {"history": flag}),
        },
    ),
    _no_fast_opt_out,
)
