"""The stack's processes, and what they inherit."""

import pytest

from sim.stack import _inherited as inherited


def test_what_the_stack_sets_replaces_a_secret_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL_FILE", "/run/secrets/redis")
    monkeypatch.setenv("DEEPGRAM_API_KEY_FILE", "/run/secrets/deepgram")
    environ = inherited({"REDIS_URL": "redis://127.0.0.1:6379/0"})

    assert "REDIS_URL_FILE" not in environ
    assert environ["DEEPGRAM_API_KEY_FILE"] == "/run/secrets/deepgram"
