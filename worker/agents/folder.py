"""The folder of agent files: who answers which call, and what changes while we run.

A file that changed is taken for the next call. One that cannot be used is refused, and what
it was before stays; calls under way keep what they began with.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.calls import Ringing
from shared.logs import place
from worker.agents.document import BadAgentFile, Document
from worker.agents.file import NO_ENVIRON, NO_TOOLS, AgentFile, Stored, load
from worker.toolbox import Toolbox

log = logging.getLogger("worker")

DEFAULT = "default"

# A change is taken once two looks have seen the same: a file may be half written at the first.
LOOK_S = 0.5

Stamp = tuple[int, int, int]
"""Of a file: when it was changed, its size, its number on the disk."""

Agents = dict[Path, AgentFile]


@dataclass(frozen=True, slots=True)
class Reading:
    """What agent files are read with. See `load`."""

    toolbox: Toolbox = NO_TOOLS
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    stored: Stored | None = None

    def load(self, path: Path) -> tuple[AgentFile, list[str]]:
        """One file, and warnings. Raises: BadAgentFile."""
        return load(path, self.toolbox, self.variables, self.stored)


class Folder:
    """The agents of a folder.

    Raises:
        BadAgentFile: If a file cannot be used, or there is no `default.yaml`.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._seen = self._settled = self._taken = _stamps(path)
        self._agents: Agents = {}
        self.warnings: list[str] = _not_read(path)
        for each in self._seen:
            self._agents[each], more = reading.load(each)
            self.warnings += more
        if path / f"{DEFAULT}.yaml" not in self._agents:
            raise BadAgentFile(f"{path / 'default.yaml'}: missing; AGENTS must name its folder")
        if clash := first_clash(self._agents):
            raise clash.fault
        self.agents = _by_name(self._agents)

    async def watch(self) -> None:
        """Look now and then, for ever; reading is left to a thread, since calls go on."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await asyncio.to_thread(self.look)
            except Exception as exc:  # noqa: BLE001 (a bulkhead: what we have goes on to serve)
                log.error("agent files not read", extra={"reason": place(exc)})

    def look(self) -> None:
        """Take what has changed since, if it was there like this at the last look too."""
        seen = _stamps(self._path)
        if seen == self._seen and seen != self._settled:
            self._settled = seen
            self._take(seen)
        self._seen = seen

    def _take(self, seen: dict[Path, Stamp]) -> None:
        """One file cannot spoil another: each that is refused stays as it was."""
        changed = {path for path, stamp in seen.items() if self._taken.get(path) != stamp}
        found = {path: each for path, each in self._agents.items() if path in seen}
        default = self._path / f"{DEFAULT}.yaml"
        if default not in seen:
            log.error("agent file kept", extra={"reason": f"{default}: missing"})
            found[default] = self._agents[default]
        for path in sorted(changed):
            try:
                found[path], warnings = self._reading.load(path)
            except BadAgentFile as bad:
                self._refuse(bad, path, found, changed)
            else:
                for warning in warnings:
                    log.warning(warning)
        while clash := first_clash(found):
            self._refuse(clash.fault, clash.newest_of(changed), found, changed)
        for path in sorted(changed):
            log.info("agent file taken", extra={"file": path.name})
        for path in sorted(self._agents.keys() - found.keys()):
            log.info("agent file gone", extra={"file": path.name})
        self._taken = {path: seen[path] if path in changed else self._taken[path] for path in found}
        self._agents, self.agents = found, _by_name(found)

    def _refuse(self, bad: BadAgentFile, path: Path, found: Agents, changed: set[Path]) -> None:
        """Leave a file as it was, if it was there."""
        log.error("agent file refused", extra={"reason": str(bad), "kept": path in self._agents})
        changed.discard(path)
        found.pop(path, None)
        if path in self._agents:
            found[path] = self._agents[path]


def load_folder(
    path: Path, toolbox: Toolbox = NO_TOOLS, environ: Mapping[str, str] = NO_ENVIRON
) -> tuple[dict[str, AgentFile], list[str]]:
    """All agents of a folder by name, and warnings to log.

    Raises:
        BadAgentFile: If a file cannot be used, or there is no `default.yaml`.
    """
    folder = Folder(path, Reading(toolbox, environ))
    return folder.agents, folder.warnings


def choose(agents: Mapping[str, AgentFile], ringing: Ringing) -> AgentFile:
    """The agent for a call: the one it names, else whose number was called, else the default."""
    if named := agents.get(ringing.agent):
        return named
    answering = (each for each in agents.values() if ringing.called in each.bridge.numbers)
    return next(answering, agents[DEFAULT])


@dataclass(frozen=True, slots=True)
class Clash:
    """Two files that want the same number."""

    one: Path
    other: Path
    number: str = field(repr=False)

    @property
    def fault(self) -> BadAgentFile:
        """What is wrong, with the place in the second of them.

        By now that file may say something else, or nothing: then there is no such place.
        """
        wanted = f"this number is answered by {self.one} as well"
        try:
            document = Document(self.other)
            at = document.data["bridge"]["numbers"].index(self.number)
        except (AttributeError, LookupError, TypeError, ValueError):
            return BadAgentFile(f"{self.other}: bridge.numbers: {wanted}")
        return document.fault(("bridge", "numbers", at), wanted)

    def newest_of(self, changed: Iterable[Path]) -> Path:
        """Of the two the one that has changed; of the others there was no clash before."""
        return self.other if self.other in changed else self.one


def first_clash(agents: Agents) -> Clash | None:
    """Two files that both answer a number, if there are such. One file may have two names."""
    owners: dict[str, Path] = {}
    for path, agent in sorted(agents.items(), key=_path):
        for number in agent.bridge.numbers:
            owner = owners.setdefault(number, path)
            if owner.resolve() != path.resolve():
                return Clash(owner, path, number)
    return None


def _path(item: tuple[Path, AgentFile]) -> Path:
    return item[0]


def _by_name(agents: Agents) -> dict[str, AgentFile]:
    return {each.name: each for _, each in sorted(agents.items(), key=_path)}


def _stamps(folder: Path) -> dict[Path, Stamp]:
    """The agent files that there are, as they are now."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            stat = path.stat()
        except OSError:
            continue  # gone meanwhile, or a link to nothing
        found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def _not_read(folder: Path) -> list[str]:
    return [f"{path.name}: not read; its name must end in .yaml" for path in folder.glob("*.yml")]
