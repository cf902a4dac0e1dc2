"""The life of a run directory: started before anything is loaded, and true whatever happens after."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.errors import ConfigError, OutputError, Problem, by_interrupt
from tcdflow.files.exclusive import BusyError, lock
from tcdflow.files.lock import LockedFile
from tcdflow.record.cleanup import INPUTS, folder_in_the_way, remove_earlier, remove_link, remove_partial
from tcdflow.record.document import FILE_NAME, Failure, Record
from tcdflow.record.environment import versions
from tcdflow.record.images import save_animation, save_image, save_input, save_sheet
from tcdflow.record.key import run_key
from tcdflow.record.recipe import texts_of
from tcdflow.record.room import Room, Rooms
from tcdflow.record.sample import Sample
from tcdflow.spec import output_name
from tcdflow.spec.batch import Batch
from tcdflow.spec.model import RunSpec
from tcdflow.text import unsigned

_INPUT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")


class RunDirectory:
    """Writes one run's directory. Use :meth:`open`, which sees to the record's status, or see to it yourself."""

    def __init__(self, path: Path, spec: RunSpec, record: Record) -> None:
        self.path = path
        self.record = record
        self._spec = spec
        self._kept: set[int] = set()
        self._held = contextlib.ExitStack()
        self._room: Room | None = None
        self._ended = False

    @classmethod
    def begin(
        cls,
        path: Path,
        spec: RunSpec,
        *,
        overrides: Sequence[str] = (),
        choices: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
        derived_from: str | None = None,
        among: Rooms | None = None,
    ) -> RunDirectory:
        """Start a run in ``path``; whoever starts it calls :meth:`end`.

        Args:
            path: of the directory.
            spec: what is run.
            overrides: as the user wrote them.
            choices: what was chosen of each group of configs.
            warnings: what is probably not meant.
            derived_from: key of the run that is made again.
            among: keeps room for the records of several runs on one disk; None keeps it for this one.

        Raises:
            ConfigError: if another run is under way there, or a folder is in the way.
            OutputError: if the directory cannot be written. An earlier run in it is as it was if that is known at once.
        """
        record = Record(
            started=_now(),
            derived_from=derived_from,
            spec=spec.model_dump(mode="json"),
            overrides=list(overrides),
            choices=dict(choices or {}),
            warnings=list(warnings),
            environment=versions(),
        )
        run = cls(path, spec, record)
        is_new = run._held.enter_context(held(path))
        if not is_new and (name := folder_in_the_way(path)) is not None:
            run._held.close()
            what = f"holds the folder {name}, where a run writes a file; remove it, or choose another directory"
            raise ConfigError([Problem("hydra.run.dir", what, str(path))])
        try:
            if not is_new:
                remove_partial(path)
            kept = among if among is not None else run._held.enter_context(contextlib.closing(Rooms()))
            run._room = kept.take(path / FILE_NAME)
            run._held.callback(kept.put_back, run._room)
            if not is_new:
                remove_earlier(path)
            record.write(path)
        except BaseException as error:
            run.end(error)
            raise
        return run

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, spec: RunSpec, **details: Any) -> Iterator[RunDirectory]:
        """Start a run as :meth:`begin` does; what is raised inside becomes the record's status and error."""
        run = cls.begin(path, spec, **details)
        try:
            yield run
            run.end()
        except BaseException as error:
            run.end(error)
            raise

    def lock(self, files: Sequence[LockedFile]) -> None:
        """Set the lock, and with it the key."""
        self.record.lock = list(files)
        self.record.key = run_key(self._spec, files)

    def save(
        self, samples: Sequence[Sample], inputs: Mapping[str, Image.Image] | None = None, batch: Batch | None = None
    ) -> None:
        """Write what was made, and what it was made from, and list it in the record. What is flawed is left out.

        Images become ``000.png`` and so on, with the suffix of their format; animations ``animation.gif``, or
        ``animation_000.gif`` and so on if there are several; or what ``output.name`` says. Where the spec asks for it
        and there are several of them or inputs, ``grid.png`` shows all, inputs first, with first, middle and last frame
        of animations.

        Args:
            samples: in the order of their seeds.
            inputs: images the run was given, by name: letters, digits, ``_`` and ``-``. One whose name begins with
                ``control_`` becomes ``control_<name>.png``, another ``inputs/<name>.png``.
            batch: what the images were made together with.

        Raises:
            OutputError: if a file cannot be written.
            ValueError: if a name is none.
        """
        inputs = inputs or {}
        self._save_inputs(inputs)
        output, record = self._spec.output, self.record
        animations = sum(not one.still for one in samples)
        numbers = {True: itertools.count(), False: itertools.count()}
        for place, one in enumerate(samples):
            number = next(numbers[one.still])
            if place not in self._kept:
                stem = f"{number:03d}" if one.still else "animation" if animations == 1 else f"animation_{number:03d}"
                self._save(one, place, stem, batch)
        sound = [one for one in samples if one.invalid is None]
        if output.grid and (len(sound) > 1 or (sound and inputs)):
            from tcdflow.record.grid import sheet

            tiles = [*inputs.items(), *(tile for one in sound for tile in _tiles(one))]
            record.grid = save_sheet(sheet(tiles), self.path / "grid.png")

    def keep(self, sample: Sample, place: int, batch: Batch | None = None) -> None:
        """Write one of several images as soon as it is made, and the record with it; :meth:`save` writes the rest.

        Args:
            sample: the image.
            place: its number, in the order of the seeds.
            batch: what it is made together with.

        Raises:
            OutputError: if it cannot be written.
        """
        self._save(sample, place, f"{place:03d}" if sample.still else f"animation_{place:03d}", batch)
        self._kept.add(place)
        self.record.write(self.path)

    def _save(self, sample: Sample, place: int, stem: str, batch: Batch | None) -> None:
        """Write an image and list it; one that is invalid is left out."""
        if sample.invalid is not None:
            return
        output = self._spec.output
        shared = batch.of_image(place) if batch is not None else None
        texts = texts_of(self._spec, self.record.lock, sample.seed, shared) if output.metadata == "full" else None
        taken = None
        if output.name is not None:
            stem = output_name.stem(self._spec, place, sample.seed)
            taken = [one.file for one in self.record.outputs]
        save = save_image if sample.still else save_animation
        self.record.outputs.append(save(sample, self.path, stem, output, texts, taken))

    def _save_inputs(self, inputs: Mapping[str, Image.Image]) -> None:
        for name in inputs:
            if not _INPUT_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a name of an input")
        files = {name: f"{name}.png" if name.startswith("control_") else f"{INPUTS}/{name}.png" for name in inputs}
        if any(file.startswith(INPUTS) for file in files.values()):
            remove_link(self.path / INPUTS)
            try:
                (self.path / INPUTS).mkdir(exist_ok=True)
            except OSError as error:
                raise OutputError.of(self.path / INPUTS, error, "made") from error
        for name, image in inputs.items():
            self.record.inputs.append(save_input(image, self.path, name, files[name]))

    def end(self, error: BaseException | None = None) -> None:
        """Write down that the run is done, or why it is not: interrupted by the user, or failed.

        An interrupt that comes while it is written down that the run is done changes nothing of that.

        Raises:
            OutputError: if the record of a run that is done cannot be written.
        """
        if error is None or (self.record.status == "done" and by_interrupt(error)):
            if not self._ended:
                self.record.finished = _now()
                self.record.status = "done"
                self._write()
                self._ended = True
            self._held.close()
            return
        self.record.finished = _now()
        self.record.status = "interrupted" if by_interrupt(error) else "failed"
        first = str(error).strip() or type(error).__name__
        self.record.error = Failure(type=type(error).__name__, message=unsigned(first)[:4000])
        # The run's own error matters more than that its record could not be written either.
        with self._held, contextlib.suppress(OutputError):
            try:
                self._write()
            except KeyboardInterrupt:  # pressed twice
                self._write()

    def _write(self) -> None:
        if self._room is not None:
            self._room.write(self.path / FILE_NAME, self.record.encoded())
        elif not (self.path / FILE_NAME).exists():  # else it is an earlier run's, of which nothing was touched yet
            self.record.write(self.path)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Make a directory, and hold it; the system lets go of it when the process ends, however it does.

    Yields:
        Whether it is new, so that nothing of anybody is in it.

    Raises:
        ConfigError: if another run is under way there.
        OutputError: if it cannot be made.
    """
    try:
        is_new = _made(path)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise OutputError.of(path, error, "made") from error
    try:
        lock(handle)
        yield is_new
    except BusyError:
        what = f"another run is under way in {path}; wait for it, or choose another directory"
        raise ConfigError([Problem("hydra.run.dir", what)]) from None
    finally:
        os.close(handle)


def is_held(directory: Path) -> bool:
    """Say whether a process is making the run of a directory; where the system has no locks, it may be."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return not lock(handle)
    except BusyError:
        return True
    finally:
        os.close(handle)


def _made(path: Path) -> bool:
    """Make a directory; say so if it was not there."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        if not path.is_dir():
            raise
        return False
    return True


def _tiles(sample: Sample) -> list[tuple[str, Image.Image]]:
    if sample.still:
        return [(f"seed {sample.seed}", sample.frames[0])]
    count = len(sample.frames)
    shown = sorted({0, count // 2, count - 1})
    return [(f"seed {sample.seed}, frame {number + 1} of {count}", sample.frames[number]) for number in shown]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
