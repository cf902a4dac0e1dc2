"""The files of a sweep's cells: looked up once for each distinct set of sources, and hashed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files import store
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.pins import Pins
from tcdflow.files.resolve import Progress, fetch, look
from tcdflow.files.resolver import problem
from tcdflow.record import lockfile
from tcdflow.spec.model import RunSpec
from tcdflow.sweep.plan import Plan, PlannedFiles


def bring(plan: Plan, progress: Progress = lambda done, total: None) -> None:
    """Download what this machine lacks of a plan of any time and machine, at the plan's commits.

    Raises:
        ConfigError: naming each source that cannot be had.
    """
    parts = [files.artifact() for files in plan.files]
    fetch(looked_up([part for part in parts if not part.is_here]), progress)


def looked_up(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Return artifacts of another time as they are on this machine now; some of their files may be absent.

    Raises:
        ConfigError: naming each source of the hub that is out of reach.
    """
    found: list[Artifact] = []
    problems: list[Problem] = []
    for artifact in artifacts:
        try:
            found.append(store.looked_up(artifact))
        except SourceError as error:
            problems.append(problem(artifact.key, artifact.source, error))
    if problems:
        raise ConfigError(problems)
    return found


class SweepFiles:
    """The files of all cells.

    Attributes:
        planned: the parts that some cell reads.
        artifacts: the same, as they are on this machine.
        locked: the lock of all of them.
    """

    def __init__(self, finder: Finder, pins: Pins | None = None) -> None:
        self.planned: list[PlannedFiles] = []
        self.artifacts: list[Artifact] = []
        self.locked: dict[tuple[str, str, str], LockedFile] = {}
        self._finder = finder
        self._pins = pins
        self._path: str | None = None
        self._given = pins is not None
        self._known: dict[Any, tuple[Artifacts, tuple[int, ...], tuple[LockedFile, ...]] | ConfigError] = {}
        self._numbers: dict[PlannedFiles, int] = {}

    def pin(self, path: str | None) -> None:
        """Take all files as a lock file has them; None leaves them free.

        Raises:
            ConfigError: if another holds for other cells.
            RecordError: if it cannot be read.
        """
        if self._given:
            return
        if self._pins is None:
            self._path, self._pins = path, lockfile.pins(path)
        elif path != self._path:
            what = "holds for some cells alone; what holds for the sweep as a whole cannot vary within it"
            raise ConfigError([Problem("lock", what, path)])

    def of(self, spec: RunSpec) -> tuple[Artifacts, tuple[int, ...], tuple[LockedFile, ...]]:
        """Return the files of a spec, their numbers in the plan, and their lock.

        Raises:
            ConfigError: if they cannot be had.
        """
        runtime = (spec.runtime.dtype, spec.runtime.device, spec.runtime.tiny_vae)
        loras = [(name, lora.source) for name, lora in spec.loras.items()]
        sources = repr((spec.base, spec.task, runtime, loras, spec.adapters))
        if sources not in self._known:
            self._known[sources] = self._found(spec)
        known = self._known[sources]
        if isinstance(known, ConfigError):
            raise known
        return known

    def _found(self, spec: RunSpec) -> tuple[Artifacts, tuple[int, ...], tuple[LockedFile, ...]] | ConfigError:
        pins = self._pins
        assert pins is not None, "pinned with the first template"
        try:
            artifacts = look(spec, self._finder, pins)
            locked = lock(artifacts)
            if not self._given:
                pins.hold(locked)
        except ConfigError as error:
            return error
        self.locked |= {(file.role, file.source, file.file): file for file in locked}
        return artifacts, tuple(self._number(artifact) for artifact in artifacts), locked

    def _number(self, artifact: Artifact) -> int:
        planned = PlannedFiles.of(artifact)
        if planned not in self._numbers:
            self._numbers[planned] = len(self.planned)
            self.planned.append(planned)
            self.artifacts.append(artifact)
        return self._numbers[planned]
