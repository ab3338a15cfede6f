"""The compose file, and what must stay out of repository and image."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def lines(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def test_a_worker_has_variables_of_the_operator_s_own_if_there_are_any() -> None:
    worker = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["worker"]

    assert worker["env_file"] == [{"path": "worker.env", "required": False}]


def test_their_file_is_neither_committed_nor_in_the_image() -> None:
    first, *taken = lines(".dockerignore")

    assert "worker.env" in lines(".gitignore")
    assert first == "*"
    assert not [each for each in taken if each.startswith("!worker") and each != "!worker"]
