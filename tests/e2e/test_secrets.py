"""Secrets come from files, and show nowhere: in no log, however loud, and whatever goes wrong."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from sim.agent import AgentServer, Script
from sim.faults.sound import heard_whole
from sim.faults.words import GREETING, HEARD_OUT, QUICK
from sim.phone.caller import HangUp
from sim.phone.track import Impairments
from sim.redis import RedisServer
from tests.e2e import kit
from tests.e2e.kit import call, logs, until
from tests.e2e.test_processes import outcome

PASSWORD = "redis-secret-2342"
TOKEN = "twilio-secret-1337"
PUBLIC = "https://voice.example.com"


def written(folder: Path, **secrets: str) -> dict[str, str]:
    """Settings that name files with these secrets."""
    for key, secret in secrets.items():
        (folder / key).write_text(f"{secret}\n")
    return {f"{key}_FILE": str(folder / key) for key in secrets}


def count(log: str, event: str) -> int:
    return sum(json.loads(line)["event"] == event for line in log.splitlines())


async def test_no_secret_is_ever_printed(port: int, tmp_path: Path) -> None:
    with RedisServer() as server:
        with Redis.from_url(server.url) as redis:
            redis.config_set("requirepass", PASSWORD)
        url = server.url.replace("://", f"://:{PASSWORD}@")
        files = written(tmp_path, REDIS_URL=url, TWILIO_AUTH_TOKEN=TOKEN, DEEPGRAM_API_KEY=kit.KEY)
        unset = {key.removesuffix("_FILE"): "" for key in files}
        settings: dict[str, Any] = {**files, **unset, "PUBLIC_URL": PUBLIC, "LOG_LEVEL": "DEBUG"}
        with kit.stack(tmp_path, port, redis=server, **settings) as stack:
            signed: dict[str, Any] = {"public_url": PUBLIC, "auth_token": TOKEN}
            forged = Impairments(webhook_signature="wrong")
            async with AgentServer(port=port, script=Script(()), timing=QUICK, api_keys={kit.KEY}):
                result = await call(stack, HEARD_OUT, HangUp(), **signed).run()
                await call(stack, impairments=forged, **signed).run()
            with Redis.from_url(url) as redis:
                redis.config_set("requirepass", "changed meanwhile")
                redis.client_kill_filter(skipme=False)
            await until(lambda: count(logs(stack), "redis is away") == 2)
            await asyncio.sleep(1)  # and does not let us in again
            told = logs(stack)

    assert heard_whole(result, GREETING)
    assert [secret for secret in (PASSWORD, TOKEN, kit.KEY) if secret in told] == []
    token = dict(json.loads(result.streams[0].messages[1].frame)["start"]["customParameters"])
    assert token["token"] not in told


@pytest.mark.parametrize("module", ["edge", "worker"])
def test_a_secret_s_file_that_is_not_there(module: str, tmp_path: Path) -> None:
    status, told = outcome(module, REDIS_URL_FILE=str(tmp_path / "none"))

    assert status == 2
    assert told == f"{module}: REDIS_URL_FILE: cannot be read (FileNotFoundError)\n"
