"""What to rerun: a run directory, its record, an image. All of it may be untrusted, and is read as data."""

from __future__ import annotations

import hashlib
import itertools
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tcdflow.config.guard import MAX_NODES, forbidden, walk
from tcdflow.config.permission import typed
from tcdflow.errors import RecordError
from tcdflow.files.hashes import has_hash
from tcdflow.files.lock import LockedFile
from tcdflow.files.network import Network
from tcdflow.files.pins import Pins
from tcdflow.record import document
from tcdflow.record.data import is_directory
from tcdflow.record.document import Output, Record
from tcdflow.record.key import run_key
from tcdflow.record.metadata import read_recipe
from tcdflow.request.request import Request
from tcdflow.spec import rules
from tcdflow.spec.batch import Batch
from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS
from tcdflow.spec.model import RunSpec
from tcdflow.spec.problems import problems_of
from tcdflow.text import about, one_line, shortened

CELLS = "cells"


@dataclass(frozen=True)
class Expected:
    """An image or animation that was made.

    Attributes:
        file: where it was written; it may have gone.
        pixel_sha256: of its decoded pixels as recorded, or None where only the file itself tells.
    """

    file: Path
    pixel_sha256: str | None = None


@dataclass(frozen=True)
class Recorded:
    """A run that can be made again.

    Attributes:
        path: what was named.
        spec: what runs.
        lock: the files that it read.
        key: of that spec with that lock.
        tcdflow: version that made it.
        outputs: what it made, as far as it is asked for.
        record: its record, where there is one.
        batch: what its images were made together with; None where each had its call to itself.
        doubts: where spec and lock do not agree with what else lies there.
    """

    path: Path
    spec: RunSpec
    lock: tuple[LockedFile, ...]
    key: str
    tcdflow: str
    outputs: tuple[Expected, ...] = ()
    record: Record | None = None
    batch: Batch | None = None
    doubts: tuple[str, ...] = ()

    def request(
        self,
        spec: RunSpec | None = None,
        *,
        allow_pickle: bool = False,
        fetch: bool = False,
        overrides: Sequence[str] = (),
    ) -> Request:
        """Return the request to make it again.

        Args:
            spec: a variation; None for the run as it was. Files whose source a variation changes need not be the
                lock's.
            allow_pickle: whether the person at the command line lets pickled weights be read.
            fetch: whether that person lets be downloaded what only the record names.
            overrides: as the user wrote them.
        """
        spec = self.spec if spec is None else spec
        then, now = _sources(self.spec), _sources(spec)
        chosen = {text.partition("=")[0].lstrip("+") for text in overrides}
        return Request(
            spec,
            Pins(
                self.lock,
                holds=lambda role: then.get(role) == now.get(role) and role not in chosen,
                directory=self._directory,
            ),
            allow_pickle=allow_pickle,
            network=Network(typed(overrides), fetch=fetch, hub=False),
            overrides=tuple(overrides),
            derived_from=self.key,
            batch=self.batch,
            warnings=self.doubts,
        )

    def used_image(self, key: str) -> Path | None:
        """Return the input image that a key names as the run used it, sized, where that makes the same images.

        What a mask or a preprocessor has made of one would be changed a second time.
        """
        if key != "task.image" or self.record is None or self._directory is None:
            return None
        given = next((one for one in self.record.inputs if one.name == "image"), None)
        path = self._directory / given.file if given else None
        return path if given and path and has_hash(path, given.sha256) else None

    @property
    def _directory(self) -> Path | None:
        """The directory of the run; None for a bare image, which lies among others."""
        if self.record is None:
            return None
        return self.path if is_directory(self.path) else self.path.parent


def find(path: Path, *, unlocked: bool = False) -> Recorded:
    """Read what was recorded.

    Args:
        path: a run directory, a ``run.json``, an image or animation, or the sidecar of one.
        unlocked: take the record of a run that ended before its files were known too; its lock and key are empty.

    Raises:
        RecordError: if there is nothing that can be made again; one line.
    """
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        if is_sweep(path):
            raise RecordError(about(path, f"is a sweep; name one of its {CELLS}/, or check them with --verify"))
        return _of_record(path, path, document.read(path), unlocked=unlocked)
    if path.name == document.FILE_NAME:
        return _of_record(path, path.parent, document.read(path.parent), unlocked=unlocked)
    if path.suffix.lower() == ".json":
        try:
            record = document.read_file(path)
        except RecordError:
            image = _image_beside(path)
            if path.name == document.PLAN and image is None:
                sweep = f"name one of the {CELLS}/ beside it; tcdflow resume and gallery take its directory"
                raise RecordError(about(path, f"is the plan of a sweep; {sweep}")) from None
            return _of_image(path, image)
        return _of_record(path, path.parent, record, unlocked=unlocked)
    return _of_image(path, path)


def is_sweep(path: Path) -> bool:
    """Say whether a directory is that of a sweep, with cells in it."""
    return is_directory(path) and (path / CELLS).is_dir() and not (path / document.FILE_NAME).exists()


def _of_record(path: Path, directory: Path, record: Record, *, unlocked: bool) -> Recorded:
    spec = _spec(path, record.spec)
    key = "" if unlocked and not record.lock else _key(path, spec, record.lock)
    outputs = tuple(Expected(directory / output.file, output.pixel_sha256) for output in record.outputs)
    doubts = []
    if key and record.key not in (key, None):
        doubts.append(f"key: the record says {str(record.key)[:16]}, its spec and lock make {key[:16]}: it was changed")
    carried = next((one.file for one in outputs if _is_file(one.file)), None)
    if carried is not None:
        try:
            recipe = read_recipe(carried)
        except RecordError:
            pass  # made with output.metadata=none
        else:
            doubts += _unlike(record, recipe, carried.name)
    batch = _batch(path, record)
    return Recorded(path, spec, tuple(record.lock), key, _version(record), outputs, record, batch, tuple(doubts))


def _of_image(path: Path, image: Path | None) -> Recorded:
    beside = _beside(image) if image else None
    try:
        recipe = read_recipe(path)
    except RecordError:
        if beside is None or path != image:
            raise
        record, output = beside
        shared = _batch(path, record)
        shared = shared and shared.of_image(record.outputs.index(output))
        recipe = {"spec": record.spec, "lock": record.lock, "seed": output.seed, "tcdflow": _version(record)}
        recipe["batch"] = shared and shared.model_dump()
    spec = _spec(path, recipe["spec"])
    lock = tuple(LockedFile.model_validate(file) for file in recipe["lock"])
    key = _key(path, spec, lock)
    # One of several: this image's own noise, and no other's.
    own = {"seed": recipe["seed"], "num_images": 1}
    alone = spec.model_copy(update={"sampling": spec.sampling.model_copy(update=own)})
    record_, expected, doubts = None, (Expected(image),) if image else (), []
    if beside is not None and image is not None:
        record, output = beside
        doubts = _unlike(record, recipe, image.name)
        if not doubts or _sha256(image) == output.sha256:
            record_, expected = record, (Expected(image, output.pixel_sha256),)
        else:
            doubts = []  # another run's record, beside which the image was put
    batch = Batch.model_validate(recipe["batch"]) if recipe["batch"] else None
    return Recorded(path, alone, lock, key, recipe["tcdflow"], expected, record_, batch, tuple(doubts))


def _image_beside(sidecar: Path) -> Path | None:
    """Return the image or animation of a sidecar."""
    suffixes = (format.suffix for format in (*ANIMATION_FORMATS.values(), *IMAGE_FORMATS.values()))
    return next(filter(_is_file, map(sidecar.with_suffix, suffixes)), None)


def _batch(path: Path, record: Record) -> Batch | None:
    plain = record.execution.get("batch")
    if not isinstance(plain, dict) or "pictures" not in plain:
        return None
    try:
        return Batch.model_validate(plain)
    except ValidationError as error:
        problem = problems_of(error, Batch, lambda key: None, under="execution.batch")[0]
        raise RecordError(about(path, str(problem))) from None


def _beside(image: Path) -> tuple[Record, Output] | None:
    """Return the record beside an image with its entry of it."""
    try:
        record = document.read(image.parent)
    except RecordError:
        return None
    return next(((record, output) for output in record.outputs if output.file == image.name), None)


def _spec(path: Path, plain: dict[str, Any]) -> RunSpec:
    values = walk(plain)
    for key, value in itertools.islice(values, MAX_NODES):
        if reason := forbidden(key, value):
            raise RecordError(about(path, f"spec.{key}: {reason}"))
    if next(values, None) is not None:
        raise RecordError(about(path, f"spec: has over {MAX_NODES} values; no run has"))
    try:
        spec = RunSpec.model_validate(plain)
    except ValidationError as error:
        problem = problems_of(error, RunSpec, lambda key: None)[0]
        raise RecordError(about(path, f"spec.{problem}")) from None
    for problem in rules.problems(spec):
        raise RecordError(about(path, f"spec.{problem}"))
    return spec


def _key(path: Path, spec: RunSpec, lock: tuple[LockedFile, ...] | list[LockedFile]) -> str:
    if not lock:
        raise RecordError(about(path, "its lock is empty: the run ended before its files were known; run it again"))
    try:
        return run_key(spec, lock)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        raise RecordError(about(path, "holds characters that are not valid Unicode")) from None


def _unlike(record: Record, recipe: dict[str, Any], name: str) -> list[str]:
    """Say where a record and the recipe of one of its images differ, key by key."""
    lines = [
        f"spec: {key} is {shown(here)} in run.json and {shown(there)} in {name}"
        for key, here, there in differences(record.spec, recipe["spec"])
    ]
    here_, there_ = (
        sorted((f.role, f.file, f.sha256) for f in map(LockedFile.model_validate, lock))
        for lock in (record.lock, recipe["lock"])
    )
    if here_ != there_:
        lines.insert(0, f"lock: that of run.json is not that of {name}")
    return lines


def differences(one: Any, other: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """Return each dotted key at which two plain values differ, with both; None stands for a key that is not there."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for name in dict.fromkeys((*one, *other))
            for found in differences(one.get(name), other.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [] if one == other else [(key, one, other)]


def shown(value: object) -> str:
    """Return a value in a few characters that no terminal obeys."""
    return shortened(one_line(repr(value)), 100)


def _version(record: Record) -> str:
    return str(record.environment.get("tcdflow"))[:64]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError as error:
        raise RecordError(about(path, f"cannot be read: {error.strerror}")) from None
    except ValueError:
        raise RecordError(about(path, "is not a path")) from None


def _sources(spec: RunSpec) -> dict[str, object]:
    """Return what decides which files a run reads, by their roles."""
    base = spec.base
    found: dict[str, object] = {}
    for need in spec.needs():
        found |= {need.role: need.source, need.config_key: need.config}
    # A base without a VAE takes that of its config.
    vae = base.vae, base.config
    return found | {"base": (base.source, base.variant, base.vae, base.safety_checker), "base.vae": vae}
