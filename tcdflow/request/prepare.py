"""From a request to what can be run: find its files, hash them, check them against the pins, resolve its size."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache

from tcdflow.errors import ConfigError
from tcdflow.files.accelerator import computes_in_half
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.finder import Finder
from tcdflow.files.lock import LockedFile, lock
from tcdflow.files.pins import FREE
from tcdflow.files.recheck import recheck
from tcdflow.files.resolve import Progress, fetch, look
from tcdflow.files.sizes import resolve_size
from tcdflow.files.store import Stores
from tcdflow.files.text_encoder import check_clip_skip
from tcdflow.files.unchanged import Unchanged
from tcdflow.inputs.findings import check_masks
from tcdflow.request import embeddings, findings
from tcdflow.request.request import Prepared, Request
from tcdflow.spec.model import RunSpec


def prepare(
    request: Request, progress: Progress = lambda done, total: None, preparer: Preparer | None = None
) -> Prepared:
    """Prepare one run, and download those of its files that are not on this machine.

    Args:
        request: the run.
        progress: called during the download.
        preparer: prepares it; None: one of its own.

    Raises:
        RequestError: as of :class:`Preparer`, and if a file cannot be had.
    """
    return fetched((preparer or Preparer())(request), progress)


def fetched(prepared: Prepared, progress: Progress = lambda done, total: None) -> Prepared:
    """Return a run with all its files on this machine.

    Raises:
        ConfigError: naming each part that could not be had.
    """
    files = Artifacts.of(fetch(prepared.files, progress))
    _check(prepared.spec, files)
    return replace(prepared, files=files)


def _check(spec: RunSpec, files: Artifacts) -> None:
    if problems := list(findings.problems(spec, files)):
        raise ConfigError(problems)


@dataclass
class _Found:
    """What was found for requests that read the same: their files, and these as they were when they were hashed."""

    files: Artifacts
    lock: tuple[LockedFile, ...] | None = None
    hashed: Unchanged | None = None


class Preparer:
    """Prepares requests, and downloads nothing large. What several of them read is found and hashed once.

    Args:
        stores: opens sources, each branch at one commit.
        beside: entered while files are hashed, which takes seconds for gigabytes.
    """

    def __init__(
        self, stores: Stores | None = None, beside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._stores = stores or Stores()
        self._beside = beside
        self._found: dict[Hashable, _Found | ConfigError] = {}
        self._locks: dict[Artifact, tuple[LockedFile, ...]] = {}
        self._half = cache(computes_in_half)  # what drivers there are does not change from cell to cell

    def __call__(self, request: Request, *, hashed: bool = False) -> Prepared:
        """Prepare one request.

        Args:
            request: the run.
            hashed: hash its files even if nothing is pinned.

        Raises:
            RequestError: naming each source that is wrong, each file that is not as pinned, inputs whose sizes do not
                agree, and masks without what is to be read of them.
        """
        found = self._find(request)
        check_clip_skip(request.spec, found.files)
        if hashed or request.pins is not FREE:
            self._hash(request, found)
        if problems := list(embeddings.problems(request.spec, found.files)):
            raise ConfigError(problems)
        spec = resolve_size(request.spec, found.files)
        check_masks(spec, found.files)
        return Prepared(request, spec, found.files, found.lock, found.hashed)

    def _find(self, request: Request) -> _Found:
        key = self._key(request)
        if key not in self._found:
            try:
                files = self._files(request)
                _check(request.spec, files)
                self._found[key] = _Found(files)
            except ConfigError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, ConfigError):
            raise found
        return found

    def _files(self, request: Request) -> Artifacts:
        if request.files is None:
            finder = Finder(self._stores, request.allow_pickle)
            return look(request.spec, finder, request.pins, network=request.network)
        base = request.spec.base
        return Artifacts.of(
            recheck(artifact, safety_checker=base.safety_checker, own_vae=base.vae is None)
            for artifact in request.files
        )

    def _hash(self, request: Request, found: _Found) -> None:
        """Hash the files once; those that a plan has found may have changed since, so they are looked at each time.

        Files that are all here are stamped first: what replaces one between its hash and the run is noticed then.
        """
        if found.lock is not None and request.files is None:
            return
        if found.hashed is not None and found.hashed.is_same():
            return
        here = not any(artifact.absent for artifact in found.files)
        now = Unchanged.since_now(found.files) if here else None
        files = now.artifacts if now else found.files
        with self._beside():
            locked = self._locked(files) if request.files is None else lock(files)
        request.pins.hold(locked)
        found.lock, found.hashed = locked, now

    def _locked(self, files: Artifacts) -> tuple[LockedFile, ...]:
        """Hash what was not hashed before: cells that differ in an input image share all else."""
        new = [artifact for artifact in files if artifact not in self._locks]
        locked = lock(new)
        for artifact in new:
            self._locks[artifact] = tuple(file for file in locked if file.role == artifact.role)
        return tuple(file for artifact in files for file in self._locks[artifact])

    def _key(self, request: Request) -> Hashable:
        """Return what is the same for requests that read the same files and are held against the same pins."""
        spec, base = request.spec, request.spec.base
        if request.files is not None:
            return request.pins, tuple(request.files), base.safety_checker, base.vae
        asked = (base.family, base.variant, base.safety_checker, spec.task.name)
        chosen = (*asked, self._half(spec.runtime), request.allow_pickle, request.network)
        return request.pins, chosen, tuple(spec.needs())
