"""The files of a sweep's cells: looked up once for each distinct set of sources, and hashed once."""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files import store
from tcdflow.files.artifact import Artifact
from tcdflow.files.lock import LockedFile
from tcdflow.files.network import ANY, Network
from tcdflow.files.pins import Pins
from tcdflow.files.resolve import Progress, fetch
from tcdflow.files.resolver import problem
from tcdflow.record import lockfile
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared, Request
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps.plan import Plan, PlannedFiles


def bring(plan: Plan, progress: Progress = lambda done, total: None) -> None:
    """Download what this machine lacks of a plan of any time and machine, at the plan's commits.

    Raises:
        ConfigError: naming each source that cannot be had.
    """
    parts = [files.artifact(fetch=plan.allows_fetch) for files in plan.files]
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

    Args:
        allow_pickle: whether pickled weights may be read.
        pins: what is known of the files; None: what the lock file says that the config names.
        network: where they may come from.
        preparer: finds and hashes them; None: one of its own.

    Attributes:
        planned: the parts that some cell reads.
        artifacts: the same, as they are on this machine.
        locked: the lock of all of them.
    """

    def __init__(
        self,
        *,
        allow_pickle: bool = False,
        pins: Pins | None = None,
        network: Network = ANY,
        preparer: Preparer | None = None,
    ) -> None:
        self.planned: list[PlannedFiles] = []
        self.artifacts: list[Artifact] = []
        self.locked: dict[tuple[str, str, str], LockedFile] = {}
        self._prepare = preparer or Preparer()
        self._allow_pickle = allow_pickle
        self._network = network
        self._pins = pins
        self._path: str | None = None
        self._given = pins is not None
        self._numbers: dict[PlannedFiles, int] = {}
        self._numbers_of: dict[int, tuple[int, ...]] = {}

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

    def of(self, spec: RunSpec) -> tuple[Prepared, tuple[int, ...]]:
        """Return a cell as prepared, and the numbers of its files in the plan.

        Raises:
            ConfigError: if its files cannot be had.
        """
        pins = self._pins
        assert pins is not None, "pinned with the first template"
        request = Request(spec, pins, allow_pickle=self._allow_pickle, network=self._network)
        prepared = self._prepare(request, hashed=True)
        same = id(prepared.files)  # the preparer keeps them
        if same not in self._numbers_of:
            self.locked |= {(file.role, file.source, file.file): file for file in prepared.lock or ()}
            self._numbers_of[same] = tuple(self._number(artifact) for artifact in prepared.files)
        return prepared, self._numbers_of[same]

    def _number(self, artifact: Artifact) -> int:
        planned = PlannedFiles.of(artifact)
        if planned not in self._numbers:
            self._numbers[planned] = len(self.planned)
            self.planned.append(planned)
            self.artifacts.append(artifact)
        return self._numbers[planned]
