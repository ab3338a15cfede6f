"""The folder: who answers which call, and what becomes of files that change meanwhile."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.calls import Ringing
from worker.agents import BadAgentFile, Folder, Reading, choose, load_folder

AGENTS = Path(__file__).parents[3] / "agents"

Write = Callable[..., Path]

ONE, TWO = "+15550001111", "+15550002222"


def agent(greeting: str, *numbers: str) -> str:
    return f"agent: {{greeting: {greeting}}}\nbridge: {{numbers: {list(numbers)}}}\n"


def greetings(folder: Folder) -> dict[str, str]:
    return {name: each.agent["greeting"] for name, each in folder.agents.items()}


def settle(folder: Folder) -> None:
    """The look that sees a change, and the one that sees that it stays."""
    folder.look()
    folder.look()


@pytest.fixture
def folder(agent_file: Write) -> Folder:
    """A default, and sales that answers ONE."""
    agent_file(agent("A"))
    agent_file(agent("S", ONE), "sales.yaml")
    return Folder(agent_file("", "notes.txt").parent, Reading())


def test_the_products_own_folder_loads_without_a_warning() -> None:
    agents, warnings = load_folder(AGENTS)

    assert "default" in agents
    assert warnings == []


def test_a_folder_without_a_default_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadAgentFile, match=r"default\.yaml: missing"):
        load_folder(tmp_path)


def test_a_file_that_is_not_read_because_of_its_name_is_told_of(agent_file: Write) -> None:
    agent_file(agent("A"))
    path = agent_file(agent("B"), "sales.yml")

    assert load_folder(path.parent)[1] == ["sales.yml: not read; its name must end in .yaml"]


# -- which agent answers --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "called", "answers"),
    [
        ("", "", "default"),
        ("", TWO, "default"),
        ("", ONE, "sales"),
        ("sales", TWO, "sales"),
        ("default", ONE, "default"),
        ("nobody", TWO, "default"),
        ("nobody", ONE, "sales"),
    ],
)
def test_the_name_goes_before_the_number_and_the_number_before_the_default(
    folder: Folder, name: str, called: str, answers: str
) -> None:
    assert choose(folder.agents, Ringing("CA1", "+1", called, agent=name)).name == answers


def test_a_number_in_two_files_is_refused_with_both(agent_file: Write) -> None:
    agent_file(agent("A"))
    one = agent_file(agent("B", ONE, TWO), "one.yaml")
    two = agent_file(f"agent: {{}}\nbridge:\n  numbers:\n  - '{TWO}'\n", "two.yaml")

    with pytest.raises(BadAgentFile) as bad:
        load_folder(one.parent)

    assert str(bad.value).startswith(f"{two}:4: bridge.numbers.0: ")
    assert str(one) in str(bad.value)


def test_one_file_under_two_names_has_its_numbers_once(tmp_path: Path, agent_file: Write) -> None:
    path = agent_file(agent("A", ONE), "new.yaml")
    (tmp_path / "default.yaml").symlink_to(path)

    agents, _ = load_folder(tmp_path)

    assert set(agents) == {"default", "new"}


# -- while running --------------------------------------------------------------


def test_nothing_that_changed_changes_nothing(folder: Folder) -> None:
    before = folder.agents
    settle(folder)

    assert folder.agents is before


def test_a_changed_file_is_taken_once_it_stays(folder: Folder, agent_file: Write) -> None:
    agent_file(agent("A2"))
    folder.look()
    assert greetings(folder)["default"] == "A"

    folder.look()
    assert greetings(folder) == {"default": "A2", "sales": "S"}


def test_a_file_that_is_still_being_written_waits(folder: Folder, agent_file: Write) -> None:
    for length in range(1, 5):
        agent_file(agent("A" + "x" * length))
        folder.look()

    assert greetings(folder)["default"] == "A"


def test_new_files_answer_and_removed_ones_do_not(folder: Folder, agent_file: Write) -> None:
    agent_file(agent("N", TWO), "new.yaml").parent.joinpath("sales.yaml").unlink()
    settle(folder)

    assert greetings(folder) == {"default": "A", "new": "N"}
    assert choose(folder.agents, Ringing("CA1", "+1", TWO)).name == "new"
    assert choose(folder.agents, Ringing("CA1", "+1", ONE)).name == "default"


def test_a_bad_file_is_refused_and_the_old_one_kept(
    folder: Folder, agent_file: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = agent_file("agent: {}\nbridge:\n  tols: []\n")
    agent_file(agent("S2", ONE), "sales.yaml")
    with caplog.at_level(logging.INFO, "worker"):
        settle(folder)
        settle(folder)

    assert greetings(folder) == {"default": "A", "sales": "S2"}
    (refused,) = [each for each in caplog.records if each.message == "agent file refused"]
    assert vars(refused)["reason"].startswith(f"{path}:3: bridge.tols: is not known here")
    assert vars(refused)["kept"] is True
    (taken,) = [each for each in caplog.records if each.message == "agent file taken"]
    assert vars(taken)["file"] == "sales.yaml"


def test_a_new_file_that_is_bad_is_none(folder: Folder, agent_file: Write) -> None:
    agent_file("agent: [\n", "new.yaml")
    settle(folder)

    assert greetings(folder) == {"default": "A", "sales": "S"}


def test_a_refused_file_is_taken_when_it_is_put_right(folder: Folder, agent_file: Write) -> None:
    agent_file("agent: [\n")
    settle(folder)
    agent_file(agent("A3"))
    settle(folder)

    assert greetings(folder)["default"] == "A3"


def test_a_default_that_is_taken_away_is_kept(
    folder: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "default.yaml").unlink()
    settle(folder)

    assert greetings(folder) == {"default": "A", "sales": "S"}
    assert "agent file kept" in caplog.messages


def test_a_folder_that_is_gone_leaves_the_default(folder: Folder, tmp_path: Path) -> None:
    for each in tmp_path.iterdir():
        each.unlink()
    tmp_path.rmdir()
    settle(folder)

    assert greetings(folder) == {"default": "A"}
    tmp_path.mkdir()


def test_a_number_may_move_from_one_file_to_another(folder: Folder, agent_file: Write) -> None:
    agent_file(agent("A", ONE))
    agent_file(agent("S"), "sales.yaml")
    settle(folder)

    assert choose(folder.agents, Ringing("CA1", "+1", ONE)).name == "default"


def test_who_wants_a_number_that_another_has_is_refused(folder: Folder, agent_file: Write) -> None:
    agent_file(agent("A2", ONE))
    agent_file(agent("N", ONE), "new.yaml")
    settle(folder)
    assert greetings(folder) == {"default": "A", "sales": "S"}

    agent_file(agent("S2"), "sales.yaml")
    agent_file(agent("A2"))
    settle(folder)
    assert greetings(folder) == {"default": "A2", "new": "N", "sales": "S2"}


@pytest.mark.parametrize(
    "now", ["agent: [\n", "", "bridge: 7\n", "agent: {}\nbridge: {numbers: ['+1555'], tols: 1}\n"]
)
def test_a_number_that_moves_away_from_a_file_which_is_broken_meanwhile_stays_there(
    folder: Folder, agent_file: Write, caplog: pytest.LogCaptureFixture, now: str
) -> None:
    z = agent_file(agent("Z", TWO), "z.yaml")
    settle(folder)
    b = agent_file(agent("B", TWO), "b.yaml")
    agent_file(now, "z.yaml")
    agent_file(agent("S2", ONE), "sales.yaml")
    settle(folder)

    assert greetings(folder) == {"default": "A", "sales": "S2", "z": "Z"}
    reasons = [vars(each)["reason"] for each in caplog.records if "refused" in each.message]
    assert reasons[1:] == [f"{z}: bridge.numbers: this number is answered by {b} as well"]


def test_a_file_that_is_replaced_by_another_of_the_same_size_and_age_is_seen(
    folder: Folder, tmp_path: Path, agent_file: Write
) -> None:
    old = (tmp_path / "default.yaml").stat()
    new = agent_file(agent("B"), "new")
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(tmp_path / "default.yaml")
    settle(folder)

    assert greetings(folder)["default"] == "B"
