"""Every setting, read once from the environment into one frozen object.

A bad value stops the process with the key's name; secrets never show in a repr, and each may be
given as a file: `KEY_FILE=/run/secrets/...`. `.env.example` lists all with what they are for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from os.path import isfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from shared.bus.address import parse

DEEPGRAM_AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"


class BadSetting(ValueError):
    """A setting that cannot be used. Names the key and what would do, never a secret's value."""


HAND_OFFS = 4
"""Calls that a worker which goes away gives to others at once: each has two agent sessions then."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set. Field names are the environment's keys in lower case."""

    redis_url: str = field(default="", repr=False)  # may hold a password
    deepgram_api_key: str = field(default="", repr=False)
    deepgram_agent_url: str = ""
    deepgram_project_id: str = ""
    twilio_auth_token: str = field(default="", repr=False)
    twilio_shared_key: str = field(default="", repr=False)
    twilio_account_sid: str = ""
    twilio_from: str = ""
    twilio_api_url: str = "https://api.twilio.com"
    public_url: str = ""
    require_token: bool = False
    token_s: float = 120.0
    notice: str = "This call may be monitored or recorded."
    allow_unsigned: bool = False
    host: str = ""
    port: int = 5000
    tls_cert: str = ""
    tls_key: str = ""
    busy_twiml: str = ""
    fallback_twiml: str = ""
    hold_sound: str = ""
    agents: str = "agents"
    tools: str = ""
    max_calls: int = 40
    max_sessions: int = 45
    max_calls_per_caller: int = 10
    max_call_s: float = 3600.0
    lease_s: float = 2.0
    ring_s: float = 30.0
    reattach_s: float = 10.0
    drain_s: float = 60.0
    recording: bool = True
    recording_ttl_s: int = 86400
    archive: str = ""
    lanes: int = 1
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    log_level: str = "INFO"
    log_format: str = "text"

    @property
    def sessions_for_calls(self) -> int:
        """Agent sessions that new calls may use: some are kept for calls that change workers."""
        return self.max_sessions - min(self.max_sessions // 10, HAND_OFFS)

    @property
    def keep_for_s(self) -> int:
        """How long a call's keys stay after its end."""
        # Without a recording: until the edge has surely read the last entries.
        return self.recording_ttl_s if self.recording else 30

    @property
    def bind_host(self) -> str:
        """Where the edge listens: on loopback only, unless calls are signed or that is waived."""
        if self.host:
            return self.host
        return "0.0.0.0" if self._may_be_public else "127.0.0.1"  # noqa: S104

    @property
    def _may_be_public(self) -> bool:
        return self.is_signed or self.allow_unsigned

    @property
    def is_signed(self) -> bool:
        """Whether signatures are checked."""
        return bool(self.twilio_auth_token or self.twilio_shared_key)

    @property
    def is_guarded(self) -> bool:
        """Whether nobody but Twilio, or this machine, can reach the edge."""
        return self._may_be_public or self.bind_host in _LOOPBACK

    @property
    def agent_url(self) -> str:
        return self.deepgram_agent_url or DEEPGRAM_AGENT_URL

    def checked_for_edge(self) -> "Settings":
        """These settings, if an edge can run on them. Raises: BadSetting."""
        if not self.redis_url:
            raise BadSetting("REDIS_URL: must be set, for example redis://127.0.0.1:6379/0")
        return self

    def checked_for_dialing(self) -> "Settings":
        """These settings, if calls can be placed with them. Raises: BadSetting."""
        if not self.twilio_account_sid:
            raise BadSetting("TWILIO_ACCOUNT_SID: must be set, as it stands in the Twilio console")
        if not self.twilio_auth_token:
            raise BadSetting("TWILIO_AUTH_TOKEN: must be set, as it stands in the Twilio console")
        return self

    @property
    def spoken_notice(self) -> str:
        """What a caller is told before the agent; "" with `NOTICE=off`."""
        return "" if self.notice.lower() == "off" else self.notice

    def checked_for_worker(self) -> "Settings":
        """These settings, if a worker can run on them. Raises: BadSetting."""
        if not self.deepgram_api_key and not self.deepgram_agent_url:
            raise BadSetting(
                "DEEPGRAM_API_KEY: must be set; or DEEPGRAM_AGENT_URL, to an agent of your own "
                "such as the stand-in (python -m sim agent)"
            )
        return self.checked_for_edge()


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from an environment. An empty value counts as unset.

    Raises:
        BadSetting: If a value cannot be used; the sentence names its key.
    """
    values = {}
    for each in fields(Settings):
        key = each.name.upper()
        # What does not show is a secret.
        raw = environ.get(key, "").strip() if each.repr else _secret(environ, key)
        if raw:
            values[each.name] = _CASTS[str(each.type)](key, raw)
    settings = Settings(**values)
    for key, is_good, wanted in _checks(settings):
        if not is_good:
            raise BadSetting(f"{key}: {wanted}")
    return settings


def _secret(environ: Mapping[str, str], key: str) -> str:
    """A secret as it is set, or what is in the file that KEY_FILE names."""
    raw, file_key = environ.get(key, "").strip(), f"{key}_FILE"
    path = environ.get(file_key, "").strip()
    if not path:
        return raw
    if raw:
        raise BadSetting(f"{file_key}: cannot be set together with {key}")
    try:
        secret = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as exc:  # no cause: it may quote the file
        raise BadSetting(f"{file_key}: cannot be read ({type(exc).__name__})") from None
    if not secret or not secret.isprintable():
        raise BadSetting(f"{file_key}: the file must hold the secret, on one line")
    return secret


def _int(key: str, raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise BadSetting(f"{key}: must be a whole number") from None


def _float(key: str, raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        seconds = inf
    if not isfinite(seconds):
        raise BadSetting(f"{key}: must be a number of seconds")
    return seconds


def _bool(key: str, raw: str) -> bool:
    match raw.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise BadSetting(f"{key}: must be on or off")


def _str(key: str, raw: str) -> str:
    return raw


_CASTS: dict[str, Callable[[str, str], Any]] = {
    str(int): _int,
    str(float): _float,
    str(bool): _bool,
    str(str): _str,
}


def _checks(s: Settings) -> list[tuple[str, bool, str]]:
    """(key, whether its value can be used, what could be)."""
    return [
        (
            "REDIS_URL",
            _is_redis(s.redis_url),
            "must be redis://host:port/db, rediss:// with TLS, unix:///path, "
            "redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port",
        ),
        (
            "DEEPGRAM_AGENT_URL",
            _is_url(s.deepgram_agent_url, "ws", "wss"),
            "must be wss://host/path",
        ),
        (
            "TWILIO_ACCOUNT_SID",
            not s.twilio_account_sid or bool(_ACCOUNT.fullmatch(s.twilio_account_sid)),
            "must be AC and 32 letters or digits",
        ),
        (
            "TWILIO_FROM",
            not s.twilio_from or is_number(s.twilio_from),
            "must be a number such as +15551230000",
        ),
        (
            "TWILIO_API_URL",
            _is_origin(s.twilio_api_url) and _is_private(s.twilio_api_url),
            "must be https://host, without a path: the auth token goes there",
        ),
        ("PUBLIC_URL", _is_origin(s.public_url), "must be https://host, without a path"),
        (
            "PUBLIC_URL",
            _has_origin(s),
            "must be https://... with TWILIO_AUTH_TOKEN or TWILIO_SHARED_KEY: Twilio signs it",
        ),
        ("HOST", s.is_guarded, "a public address needs TWILIO_AUTH_TOKEN (or ALLOW_UNSIGNED=1)"),
        ("TOKEN_S", s.token_s > 0, "must be above 0"),
        ("PORT", 0 <= s.port < 65536, "must be a TCP port"),
        ("METRICS_PORT", 0 <= s.metrics_port < 65536, "must be a TCP port"),
        ("METRICS_PORT", s.metrics_port != s.port or not s.port, "must be another than PORT"),
        ("TLS_KEY", bool(s.tls_cert) == bool(s.tls_key), "TLS_CERT and TLS_KEY go together"),
        ("BUSY_TWIML", _is_file(s.busy_twiml), "must be the path of a file with TwiML"),
        ("FALLBACK_TWIML", _is_file(s.fallback_twiml), "must be the path of a file with TwiML"),
        ("HOLD_SOUND", _is_file(s.hold_sound), "must be the path of a mu-law file, 8 kHz"),
        ("TOOLS", _is_module(s.tools), "must be the path of a .py file, or a module's name"),
        ("MAX_CALLS", s.max_calls > 0, "must be at least 1"),
        ("MAX_SESSIONS", s.max_sessions > 0, "must be at least 1"),
        ("MAX_CALLS_PER_CALLER", s.max_calls_per_caller >= 0, "must not be negative (0: no limit)"),
        ("MAX_CALL_S", s.max_call_s >= 0, "must not be negative (0: no limit)"),
        ("LEASE_S", 1 <= s.lease_s <= 15, "must lie between 1 and 15"),
        ("RING_S", s.ring_s > 0, "must be above 0"),
        ("REATTACH_S", s.reattach_s >= 0, "must not be negative"),
        ("DRAIN_S", s.drain_s >= 0, "must not be negative"),
        ("RECORDING_TTL_S", s.recording_ttl_s > 0, "must be above 0"),
        ("LANES", 1 <= s.lanes <= 64, "must lie between 1 and 64"),
        ("LOG_LEVEL", s.log_level in _LEVELS, f"must be one of {', '.join(_LEVELS)}"),
        ("LOG_FORMAT", s.log_format in ("text", "json"), "must be text or json"),
    ]


_ACCOUNT = re.compile("AC[0-9a-fA-F]{32}")
NUMBER = r"\+[1-9][0-9]{4,14}"
"""What a phone number looks like, E.164."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def is_number(text: str) -> bool:
    """Whether this is a phone number as Twilio takes it: E.164."""
    return re.fullmatch(NUMBER, text) is not None


def _is_file(path: str) -> bool:
    return not path or isfile(path)  # False, too, for what can be no path


def _is_module(name: str) -> bool:
    """Whether this may name a module: whether there is one, only a worker must know."""
    return not name or name.endswith(".py") or all(map(str.isidentifier, name.split(".")))


def _has_origin(s: Settings) -> bool:
    return s.public_url.startswith("https://") or not s.is_signed


def _is_url(url: str, *schemes: str) -> bool:
    parts = _split(url)
    return not url or bool(parts and parts.scheme in schemes)


def _is_redis(url: str) -> bool:
    try:
        return not url or bool(parse(url))
    except ValueError:
        return False


def _is_origin(url: str) -> bool:
    parts = _split(url)
    return not url or bool(
        parts
        and parts.scheme in ("https", "http")
        and parts.path in ("", "/")
        and "@" not in parts.netloc
        and not (parts.query or parts.fragment)
    )


def _is_private(url: str) -> bool:
    """Whether nobody on the way reads what is sent there."""
    parts = _split(url)
    return not url or bool(parts and (parts.scheme == "https" or parts.hostname in _LOOPBACK))


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that has a host and, if any, a port that is one."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole else None
