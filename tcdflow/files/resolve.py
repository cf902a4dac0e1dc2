"""From the sources of a spec to local files: all are found first, and fetched after.

So all that is wrong with a run is said before anything large is downloaded, and nothing that it does not read is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.files.accelerator import computes_in_half
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.finder import Finder, checked
from tcdflow.files.network import ANY, Network
from tcdflow.files.pins import FREE, Pins
from tcdflow.files.resolver import Resolver, problem
from tcdflow.files.store import fetched
from tcdflow.spec.model import RunSpec

__all__ = ["Artifact", "Artifacts", "fetch", "look", "resolve"]

Progress = Callable[[int, int], None]
"""Called from several threads with the bytes that are here and the total."""


def look(
    spec: RunSpec,
    finder: Finder | None = None,
    pins: Pins = FREE,
    half: bool | None = None,
    network: Network = ANY,
) -> Artifacts:
    """Find every file that a run reads. Large ones of the hub that are not on this machine stay absent.

    Args:
        spec: the run.
        finder: finds files; one that several runs share opens each source once for all.
        pins: what is known of the files beforehand.
        half: whether it computes in half precision, which ``base.variant=auto`` goes by; None infers it from the spec
            and the machine.
        network: what of it may be asked.

    Raises:
        ConfigError: naming each part whose source is wrong.
    """
    half = computes_in_half(spec.runtime) if half is None else half
    resolver = Resolver(finder or Finder(), pins, half, network)
    for need in spec.needs():
        resolver.take(need, spec.base)
    resolver.check_base(spec)
    return resolver.done()


def fetch(artifacts: Iterable[Artifact], progress: Progress = lambda done, total: None) -> list[Artifact]:
    """Download what is absent, each file from where an earlier try was cut off.

    Args:
        artifacts: as :func:`look` has found them.
        progress: called during downloads.

    Returns:
        The same, with nothing absent.

    Raises:
        ConfigError: naming each part that could not be had.
    """
    looked = list(artifacts)
    sizes = {file.sha256: file.size for artifact in looked for file in artifact.absent}
    meter = _Meter(sum(sizes.values()), progress)
    found: list[Artifact] = []
    problems: list[Problem] = []
    for artifact in looked:
        try:
            found.append(checked(fetched(artifact, meter.update)) if artifact.absent else artifact)
        except SourceError as error:
            problems.append(problem(artifact.key, artifact.source, error))
    if problems:
        raise ConfigError(problems)
    return found


def resolve(spec: RunSpec, half: bool | None = None) -> Artifacts:
    """Find, and where needed download, every file that a run reads.

    Args:
        spec: the run.
        half: as of :func:`look`.

    Raises:
        ConfigError: naming each part whose source is wrong.
    """
    return Artifacts.of(fetch(look(spec, half=half)))


@dataclass
class _Meter:
    """Adds up what the threads of a download tell."""

    total: int
    progress: Progress
    _here: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self, sha256: str, count: int) -> None:
        with self._lock:
            self._here[sha256] = count
            self.progress(sum(self._here.values()), self.total)
