"""Settings: a bad value names its key, a secret never shows, the documents list all of them."""

import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import DEEPGRAM_AGENT_URL, BadSetting, Settings, read

ROOT = Path(__file__).parents[2]
KEYS = {each.name.upper() for each in fields(Settings)}

PUBLIC = {"TWILIO_AUTH_TOKEN": "t", "PUBLIC_URL": "https://voice.example.com"}


def test_an_empty_environment_is_the_defaults() -> None:
    assert read({}) == Settings()


def test_an_empty_value_counts_as_unset() -> None:
    assert read(dict.fromkeys(KEYS, "")) == Settings()
    assert read(dict.fromkeys(KEYS, "  ")) == Settings()


def test_what_is_none_of_ours_is_left_alone() -> None:
    assert read({"PATH": "/bin", "lanes": "7"}) == Settings()


def test_every_value_is_read_as_its_type() -> None:
    environ = {
        "REDIS_URL": " redis://127.0.0.1:6379/0 ",
        "PORT": "8080",
        "LEASE_S": "1.5",
        "RECORDING": "off",
        "AGENTS": "my agents",
    }

    assert read(environ) == Settings(
        redis_url="redis://127.0.0.1:6379/0",
        port=8080,
        lease_s=1.5,
        recording=False,
        agents="my agents",
    )


@pytest.mark.parametrize("raw", ["1", "true", "Yes", "ON"])
def test_on(raw: str) -> None:
    assert read({"ALLOW_UNSIGNED": raw}).allow_unsigned


@pytest.mark.parametrize("raw", ["0", "false", "No", "OFF"])
def test_off(raw: str) -> None:
    assert not read({"RECORDING": raw}).recording


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis:somewhere"),
        ("REDIS_URL", "redis://[::1"),
        ("REDIS_URL", "redis://localhost:port/0"),
        ("REDIS_URL", "redis+sentinel://localhost:26379"),
        ("REDIS_URL", "redis+cluster://localhost/1"),
        ("REDIS_URL", "redis://localhost:99999/0"),
        ("DEEPGRAM_AGENT_URL", "https://agent.deepgram.com"),
        ("DEEPGRAM_AGENT_URL", "agent.deepgram.com"),
        ("DEEPGRAM_AGENT_URL", "unix:///tmp/agent"),
        ("DEEPGRAM_AGENT_URL", "ws:///v1"),
        ("PUBLIC_URL", "voice.example.com"),
        ("PUBLIC_URL", "https://voice.example.com/twilio"),
        ("PUBLIC_URL", "https://voice.example.com?a=b"),
        ("PUBLIC_URL", "wss://voice.example.com"),
        ("PUBLIC_URL", "https://voice.example.com:port"),
        ("PUBLIC_URL", "https://[::1"),
        ("PUBLIC_URL", "https://user:pass@voice.example.com"),
        ("TWILIO_API_URL", "http://api.twilio.com"),
        ("TWILIO_API_URL", "http://localhost.example.com"),
        ("TWILIO_API_URL", "https://api.twilio.com/2010-04-01"),
        ("REQUIRE_TOKEN", "perhaps"),
        ("TOKEN_S", "0"),
        ("MAX_CALLS_PER_CALLER", "-1"),
        ("MAX_CALL_S", "-1"),
        ("MAX_CALL_S", "an hour"),
        ("ALLOW_UNSIGNED", "maybe"),
        ("RECORDING", "2"),
        ("PORT", "5000.0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("METRICS_PORT", "65536"),
        ("METRICS_PORT", "5000"),
        ("TLS_CERT", "cert.pem"),
        ("TLS_KEY", "key.pem"),
        ("MAX_CALLS", "0"),
        ("MAX_CALLS", "many"),
        ("MAX_SESSIONS", "0"),
        ("LEASE_S", "0.9"),
        ("LEASE_S", "61"),
        ("LEASE_S", "nan"),
        ("RING_S", "0"),
        ("RING_S", "soon"),
        ("RING_S", "inf"),
        ("REATTACH_S", "-1"),
        ("DRAIN_S", "-1"),
        ("DRAIN_S", "inf"),
        ("RECORDING_TTL_S", "0"),
        ("TOOLS", "a b"),
        ("TOOLS", "shop/tools"),
        ("LANES", "0"),
        ("LANES", "65"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_LEVEL", "info"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_bad_value_names_its_key(key: str, value: str) -> None:
    with pytest.raises(BadSetting, match=rf"\b{key}\b"):
        read({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REDIS_URL", "rediss://user:pass@redis.example.com:6380/1"),
        ("REDIS_URL", "unix:///run/redis.sock"),
        ("REDIS_URL", "redis+sentinel://:pass@one:26379,two/mymaster/1"),
        ("REDIS_URL", "rediss+cluster://one:7000,two:7000"),
        ("DEEPGRAM_AGENT_URL", "ws://127.0.0.1:8765/v1/agent/converse"),
        ("PUBLIC_URL", "https://voice.example.com/"),
        ("PUBLIC_URL", "http://127.0.0.1:5000"),
        ("TWILIO_API_URL", "https://api.dublin.ie1.twilio.com"),
        ("TWILIO_API_URL", "http://127.0.0.1:8080"),
        ("TWILIO_API_URL", "http://[::1]:8080"),
        ("PORT", "0"),
        ("TOKEN_S", "0.5"),
        ("MAX_CALLS_PER_CALLER", "0"),
        ("MAX_CALL_S", "0"),
        ("REATTACH_S", "0"),
        ("DRAIN_S", "0"),
        ("TOOLS", "shop/tools.py"),
        ("TOOLS", "shop.tools"),
        ("LANES", "64"),
    ],
)
def test_a_good_value_is_taken(key: str, value: str) -> None:
    assert str(getattr(read({key: value}), key.lower())).removesuffix(".0") == value


@pytest.mark.parametrize(
    "environ",
    [
        {"REDIS_URL": "http://:4711@host"},
        {"REDIS_URL": "redis://:4711@[::1"},
        {"REDIS_URL": "redis://:4711@host:port"},
        {"REDIS_URL": "redis+sentinel://:4711@host"},
        {"REDIS_URL": "redis://:4711\u2100@host"},
        {"TWILIO_AUTH_TOKEN": "4711"},
        {"TWILIO_SHARED_KEY": "4711"},
        {"DEEPGRAM_API_KEY": "4711", "DEEPGRAM_API_KEY_FILE": "/run/secrets/key"},
    ],
)
def test_a_refusal_shows_no_secret(environ: dict[str, str]) -> None:
    with pytest.raises(BadSetting) as refusal:
        read(environ)

    assert "4711" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_secrets_are_not_in_the_repr() -> None:
    settings = Settings(
        redis_url="redis://:4711@host",
        deepgram_api_key="4711",
        twilio_auth_token="4711",
        twilio_shared_key="4711",
    )

    assert "4711" not in repr(settings)
    assert "4711" not in str(settings)


# -- secrets in files ----------------------------------------------------------------

SECRETS = {each.name.upper() for each in fields(Settings) if not each.repr}


def test_secrets_are_what_a_repr_hides() -> None:
    wanted = {"REDIS_URL", "DEEPGRAM_API_KEY", "TWILIO_AUTH_TOKEN", "TWILIO_SHARED_KEY"}

    assert wanted <= SECRETS


@pytest.mark.parametrize("content", ["4711", "4711\n", "4711\r\n", " 4711 \n\n"])
def test_a_secret_may_be_in_a_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    for key in SECRETS - {"REDIS_URL"}:
        settings = read({f"{key}_FILE": str(file), "PUBLIC_URL": PUBLIC["PUBLIC_URL"]})

        assert getattr(settings, key.lower()) == "4711"


def test_a_redis_url_in_a_file_is_checked_like_any(tmp_path: Path) -> None:
    file = tmp_path / "redis"
    file.write_text("redis://:4711@host\n")
    assert read({"REDIS_URL_FILE": str(file)}).redis_url == "redis://:4711@host"

    file.write_text("http://:4711@host\n")
    with pytest.raises(BadSetting, match="REDIS_URL") as refusal:
        read({"REDIS_URL_FILE": str(file)})
    assert "4711" not in str(refusal.value)


def test_a_secret_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("4711")
    for key in SECRETS:
        with pytest.raises(BadSetting, match=rf"^{key}_FILE: .*{key}$") as refusal:
            read({key: "0815", f"{key}_FILE": str(file)})
        assert "0815" not in str(refusal.value)


def test_an_empty_file_key_counts_as_unset() -> None:
    assert read({"DEEPGRAM_API_KEY": "4711", "DEEPGRAM_API_KEY_FILE": ""}).deepgram_api_key


@pytest.mark.parametrize("content", [None, b"", b"\n", b"4711\xff", b"4711\n0815", b"47\x0011"])
def test_a_file_that_holds_no_secret_names_its_key(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSetting, match=r"^DEEPGRAM_API_KEY_FILE: ") as refusal:
        read({"DEEPGRAM_API_KEY_FILE": str(file)})

    assert "47" not in str(refusal.value).removeprefix(str(file))
    assert refusal.value.__cause__ is None


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("8080")

    assert read({"PORT_FILE": str(file)}) == Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


# -- who may listen where ------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "127.0.0.1"),
        (PUBLIC, "0.0.0.0"),
        ({"TWILIO_SHARED_KEY": "k", "PUBLIC_URL": PUBLIC["PUBLIC_URL"]}, "0.0.0.0"),
        ({"ALLOW_UNSIGNED": "1"}, "0.0.0.0"),
        ({**PUBLIC, "HOST": "10.0.0.7"}, "10.0.0.7"),
        ({"HOST": "localhost"}, "localhost"),
        ({"HOST": "::1"}, "::1"),
    ],
)
def test_only_a_guarded_edge_listens_in_public(environ: dict[str, str], host: str) -> None:
    assert read(environ).bind_host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "voice.example.com"])
def test_a_public_host_needs_a_token_or_a_waiver(host: str) -> None:
    with pytest.raises(BadSetting, match="HOST"):
        read({"HOST": host})

    assert read({"HOST": host, **PUBLIC}).is_guarded
    assert read({"HOST": host, "ALLOW_UNSIGNED": "1"}).is_guarded


def test_a_token_needs_the_address_that_twilio_signs() -> None:
    with pytest.raises(BadSetting, match="PUBLIC_URL"):
        read({"TWILIO_AUTH_TOKEN": "t"})


# -- who needs what ------------------------------------------------------------------


def test_an_edge_needs_redis() -> None:
    with pytest.raises(BadSetting, match="REDIS_URL"):
        read({}).checked_for_edge()

    settings = read({"REDIS_URL": "redis://host"})
    assert settings.checked_for_edge() is settings


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"REDIS_URL": "redis://host"}, "DEEPGRAM_API_KEY"),
        ({"DEEPGRAM_API_KEY": "k"}, "REDIS_URL"),
    ],
)
def test_a_worker_needs_redis_and_a_key(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(BadSetting, match=missing):
        read(environ).checked_for_worker()


def test_a_worker_with_an_agent_of_its_own_needs_no_key() -> None:
    environ = {"REDIS_URL": "redis://host", "DEEPGRAM_AGENT_URL": "ws://127.0.0.1:1/a"}

    assert read(environ).checked_for_worker().agent_url == "ws://127.0.0.1:1/a"


def test_the_agent_is_deepgram_unless_set() -> None:
    assert Settings().agent_url == DEEPGRAM_AGENT_URL


def test_notice_off_says_nothing() -> None:
    assert read({"NOTICE": "Off"}).spoken_notice == ""
    assert read({"NOTICE": "Hello."}).spoken_notice == "Hello."
    assert Settings().spoken_notice == "This call may be monitored or recorded."


def test_without_a_recording_keys_go_soon() -> None:
    assert read({"RECORDING_TTL_S": "600"}).keep_for_s == 600
    assert read({"RECORDING_TTL_S": "600", "RECORDING": "off"}).keep_for_s == 30


# -- documents -----------------------------------------------------------------------


def test_env_example_lists_exactly_the_settings() -> None:
    text = (ROOT / ".env.example").read_text()
    listed = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))

    assert listed == KEYS


def test_readme_names_every_setting() -> None:
    named = set(re.findall(r"[A-Z][A-Z0-9_]+", (ROOT / "README.md").read_text()))

    assert KEYS - named == set()


@pytest.mark.parametrize("key", ["BUSY_TWIML", "FALLBACK_TWIML"])
@pytest.mark.parametrize("path", ["a" * 5000, "a\x00b", "\udcff"])
def test_what_no_file_can_be_called_is_no_file(key: str, path: str) -> None:
    with pytest.raises(BadSetting, match=f"{key}: must be the path"):
        read({key: path})


SECRET = "s3cr3t"
VALUES = st.sampled_from(
    ["on", "0", "-1", "1e999", "nan", "1_0", "\u0662", "9" * 5000, "a.b", "/", "\udcff", "text"]
    + [f"{scheme}://{SECRET}" for scheme in ("http", "wss", "redis", "redis+cluster", "unix")]
    + [f"redis://:{SECRET}@h:x", f"redis+sentinel://:{SECRET}@h", f"redis://[{SECRET}"]
) | st.text(max_size=20)


@given(st.dictionaries(st.sampled_from(sorted(KEYS)), VALUES))
def test_whatever_is_set_is_read_or_refused_by_its_key(environ: dict[str, str]) -> None:
    try:
        settings = read(environ)
    except BadSetting as refusal:
        told = str(refusal)
        assert told.partition(":")[0] in KEYS
        assert SECRET not in told
    else:
        shown = repr(settings)
        for key in ("REDIS_URL", "DEEPGRAM_API_KEY", "TWILIO_AUTH_TOKEN"):
            assert f"{key.lower()}=" not in shown
