"""A requested run, and the prepared run once its files are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcdflow.config.permission import typed
from tcdflow.config.places import addresses
from tcdflow.files.artifact import Artifacts
from tcdflow.files.lock import LockedFile
from tcdflow.files.network import ANY, Network
from tcdflow.files.pins import FREE, Pins
from tcdflow.files.unchanged import Unchanged
from tcdflow.record import lockfile
from tcdflow.record.key import run_key
from tcdflow.request import findings
from tcdflow.spec.batch import Batch
from tcdflow.spec.model import RunSpec

if TYPE_CHECKING:
    from tcdflow.config.composition import Composition


@dataclass(frozen=True)
class Request:
    """A run as it was asked for.

    Attributes:
        spec: what to make.
        pins: what is known of its files beforehand: a lock file, or the lock of a plan or record.
        files: where a plan has found them; None to find them now.
        allow_pickle: whether the person at the command line lets pickled weights be read.
        network: what of it the person lets be asked.
        overrides: as the user wrote them.
        choices: the option chosen of each group of configs.
        warnings: what composing it showed to be probably not meant.
        derived_from: key of the run that is made again.
        batch: what that one was made together with.
    """

    spec: RunSpec
    pins: Pins = FREE
    files: Artifacts | None = None
    allow_pickle: bool = False
    network: Network = ANY
    overrides: tuple[str, ...] = ()
    choices: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    derived_from: str | None = None
    batch: Batch | None = None

    @classmethod
    def composed(cls, composition: Composition, pins: Pins | None = None) -> Request:
        """Return the request that overrides were composed to.

        Args:
            composition: of the overrides.
            pins: what is known of its files, in the place of the lock file that the config names.

        Raises:
            ConfigError: if the lock file that they name cannot be read.
        """
        return cls(
            composition.spec,
            lockfile.pins(composition.lock) if pins is None else pins,
            allow_pickle=composition.allow_pickle,
            network=network_of(composition.overrides, fetch=composition.fetch),
            overrides=composition.overrides,
            choices=composition.choices
            | ({"defaults": composition.personal.plain()} if composition.personal is not None else {}),
            warnings=composition.warnings,
        )


def network_of(overrides: Sequence[str], *, fetch: bool) -> Network:
    """Return what of the network a config may ask that the person chose.

    Args:
        overrides: with which it was chosen.
        fetch: whether the person lets addresses be asked that files of others name.
    """
    return Network(typed(overrides), addresses(), fetch)


@dataclass(frozen=True)
class Prepared:
    """A run whose files are known and checked against the pins, and whose size is resolved.

    Attributes:
        request: what was asked for.
        spec: the same with width and height filled in.
        files: local files; those in ``absent`` of each part have yet to be fetched.
        lock: their hashes, where something is pinned or they were asked for; else they are hashed during the run.
        unchanged: the files as they were when they were hashed; None where that is yet to be done, or some are absent.
    """

    request: Request
    spec: RunSpec
    files: Artifacts
    lock: tuple[LockedFile, ...] | None = None
    unchanged: Unchanged | None = None

    @property
    def key(self) -> str:
        """The run key; only of a run whose files are hashed."""
        assert self.lock is not None, "prepare it with hashed=True"
        return run_key(self.spec, self.lock)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant, as far as is known before the pipeline is loaded."""
        return (*self.request.warnings, *findings.warnings(self.spec, self.files))
