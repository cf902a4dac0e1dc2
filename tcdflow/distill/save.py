"""What a distillation leaves: checkpoints, the LoRA, the log of steps and the record. The main process writes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from accelerate import Accelerator

from tcdflow.distill import card, checkpoint, machine, validation_files
from tcdflow.distill import record as records
from tcdflow.distill.checkpoint import Checkpoint
from tcdflow.distill.directory import DistillDirectory
from tcdflow.distill.export import FILE as WEIGHTS
from tcdflow.distill.export import export, export_kohya, folder_of
from tcdflow.distill.prepare import PreparedDistillation
from tcdflow.distill.record import ExportedFile
from tcdflow.distill.train import StepDone, Trainer
from tcdflow.distill.validate import Validator
from tcdflow.engine.watch import peak_memory
from tcdflow.errors import ConfigError, Problem
from tcdflow.files.hashes import sha256_file
from tcdflow.record.atomic import write_text
from tcdflow.record.environment import versions

_LATEST = 100
"""Steps that the mean of the latest losses is over."""


class Saver:
    """Writes into a directory.

    Args:
        path: of it.
        prepared: the distillation.
        accelerator: of this process.
        directory: open; None in processes that write nothing.

    Attributes:
        pipeline: class of the base's pipeline; set once that is loaded.
    """

    def __init__(
        self, path: Path, prepared: PreparedDistillation, accelerator: Accelerator, directory: DistillDirectory | None
    ) -> None:
        self.pipeline: Any = None
        self._path = path
        self._prepared = prepared
        self._accelerator = accelerator
        self._directory = directory
        self._seconds: dict[str, float] = {}
        self._steps: list[dict[str, Any]] = []
        self._validations: dict[str, Any] = {}
        self._teacher_written = False

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds meanwhile to a stage."""
        start = time.perf_counter()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start

    def latest(self, encoded_sha256: str) -> tuple[Checkpoint | None, list[str]]:
        """Return the checkpoint to go on from, and what is probably not meant; the log is cut to it.

        Args:
            encoded_sha256: hash of the encoded data.

        Raises:
            ConfigError: if the data was encoded to other bits than before.
        """
        record = self._directory.record if self._directory is not None else records.read(self._path)
        found, warnings = checkpoint.latest(self._path, [self._prepared.key, *record.shorter])
        if self._directory is None:
            return found, []
        now = versions() | machine.described(self._accelerator)
        if found is None:
            record.data.encoded_sha256 = None
        if record.data.encoded_sha256 not in (None, encoded_sha256):
            what = "its data was encoded to other bits since (another device, or number of threads); begin anew"
            raise ConfigError([Problem("hydra.run.dir", what, str(self._path))])
        changed = [name for name, value in now.items() if record.environment.get(name, value) != value]
        if found is not None and changed:
            warnings.append(f"it goes on with other {', '.join(changed)} than before: not bit-identical")
        record.data.encoded_sha256 = encoded_sha256
        record.environment |= now
        record.warnings = list(dict.fromkeys([*record.warnings, *warnings]))
        self._steps = [line for line in self._directory.cut_log(found.step if found else 0) if "loss" in line]
        before = record.execution.get("validation")
        if found is not None and isinstance(before, dict) and (self._path / validation_files.BEST / WEIGHTS).is_file():
            self._validations = before
        self._directory.save([], {})
        return found, warnings

    def log(self, done: StepDone) -> None:
        """Write a step into the log."""
        if self._directory is not None:
            self._steps.append(asdict(done))
            self._directory.log(self._steps[-1])

    def validated(self, validator: Validator, trainer: Trainer) -> None:
        """Validate; write images, numbers and, if it is the best so far, the LoRA.

        Raises:
            OutputError: if they cannot be written.
            RunError: if the exported file is not what was trained.
        """
        assert self._directory is not None, "the main process validates"
        if not self._teacher_written:
            validation_files.write_teacher(self._path, validator)
            self._teacher_written = True
        found = validator(trainer)
        sheet = validation_files.write(self._path, validator, found, self._losses()["mean_of_last_100"])
        best = validation_files.best(self._path, validator.sha256)
        if best is None or best["distance"] > found.distance:
            with trainer.student.holding(trainer.exported), self._accelerator.autocast():
                arguments = trainer.loss.arguments()
                export(trainer.student, self.pipeline, self._path, arguments, validation_files.BEST)
            validation_files.write_best(self._path, found, validator.sha256)
            best = {"step": found.step, "distance": found.distance}
        latest = {"step": found.step, "distance": found.distance, "distances": found.distances}
        sharp = {"teacher": round(fmean(validator.teacher.sharpness), 4), **found.sharpness}
        self._validations = {
            "best": best,
            "latest": {**latest, "sharpness": sharp, "sheet": sheet.relative_to(self._path).as_posix()},
        }
        self._directory.log({"step": found.step, "validation": found.distances, "sharpness": sharp})

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint, the LoRA as it is by then, and the record.

        Raises:
            OutputError: if they cannot be written.
            RunError: if the exported file is not what was trained.
        """
        if self._directory is None:
            return
        distill = self._prepared.spec.distill
        checkpoint.write(self._path, trainer.checkpoint(self._prepared.key), distill.checkpoint.keep)
        with trainer.student.holding(trainer.exported), self._accelerator.autocast():
            files = [export(trainer.student, self.pipeline, self._path, trainer.loss.arguments())]
            if distill.kohya:
                family, title = self._prepared.spec.base.family, f"{distill.method} LoRA"
                files.append(export_kohya(trainer.student, self._path, family, title))
        self._directory.record.execution |= self._execution(trainer)
        text = card.text(self._directory.record, self._prepared.spec)
        readme = folder_of(self._path) / card.FILE
        write_text(readme, text)
        if self._validations:
            files.append(self._path / validation_files.BEST / WEIGHTS)
        outputs = [
            ExportedFile(file=path.relative_to(self._path).as_posix(), sha256=sha256_file(path))
            for path in (*files, readme)
        ]
        self._directory.save(outputs, {})

    def _execution(self, trainer: Trainer) -> dict[str, Any]:
        """Return how it went so far, over all processes that were killed meanwhile."""
        training = sum(float(line["seconds"]) for line in self._steps)
        examples = len(self._steps) * self._prepared.spec.distill.batch
        found = {
            "steps": trainer.done,
            "parameters": sum(weight.numel() for weight in trainer.student.weights.values()),
            "losses": self._losses(),
            "seconds": {name: round(spent, 2) for name, spent in {**self._seconds, "train": training}.items()},
            "examples_per_second": round(examples / training, 3) if training else None,
            "peak_memory_bytes": peak_memory(self._accelerator.device),
        }
        return found | ({"validation": self._validations} if self._validations else {})

    def _losses(self) -> dict[str, float]:
        losses = [float(line["loss"]) for line in self._steps]
        if not losses:
            return {}
        return {"first": losses[0], "last": losses[-1], "mean_of_last_100": fmean(losses[-_LATEST:])}
