"""A prepared distillation, executed in its directory: load, encode, train, export."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from tcdflow.distill import dataset, keys, machine
from tcdflow.distill.dataset import Dataset, Encoded
from tcdflow.distill.directory import DistillDirectory
from tcdflow.distill.encode import Encoder
from tcdflow.distill.keys import Chunk
from tcdflow.distill.prepare import PreparedDistillation
from tcdflow.distill.record import DistillRecord
from tcdflow.distill.save import Saver
from tcdflow.distill.student import Student
from tcdflow.distill.train import StepDone, Trainer
from tcdflow.distill.validate import Validator
from tcdflow.engine.interrupts import CtrlC, Interrupts
from tcdflow.errors import RunError
from tcdflow.files.lock import lock
from tcdflow.files.opened import opened
from tcdflow.files.unchanged import Unchanged
from tcdflow.libraries.diffusers import quiet
from tcdflow.pipeline import base, cublas, schedulers
from tcdflow.pipeline.unpickle import without_pickles
from tcdflow.spec.family import FAMILIES
from tcdflow.spec.scheduler import SCHEDULERS


@dataclass(frozen=True)
class Progress:
    """Is told how far it is, and of what is probably not meant."""

    on_encoded: Encoded
    on_begin: Callable[[int], None]
    on_step: Callable[[StepDone], None]
    on_validated: Callable[[], None]
    warn: Callable[[Iterable[str]], None]


def distil(path: Path, prepared: PreparedDistillation, progress: Progress) -> DistillRecord | None:
    """Distil, or go on where the checkpoints of a directory end.

    Args:
        path: of the directory.
        prepared: with all its files on this machine.
        progress: is told how far it is.

    Returns:
        The record; None in all processes but the main one.

    Raises:
        RequestError: if this machine cannot do what is asked, or the directory is another's.
        RunError: if it fails; the record says why.
        KeyboardInterrupt: after a Ctrl-C, once a checkpoint is written.
    """
    accelerator = machine.accelerator(prepared.spec.distill)
    with DistillDirectory.open(path, prepared) if accelerator.is_main_process else nullcontext() as directory, quiet():
        if machine.any_of(accelerator, directory is not None and directory.is_done):
            return directory.record if directory is not None else None
        one = _Execution(path, prepared, accelerator, directory, progress)
        trainer = one.loaded()
        one.train(trainer)
    return directory.record if directory is not None else None


class _Execution:
    """One process's part of it."""

    def __init__(
        self,
        path: Path,
        prepared: PreparedDistillation,
        accelerator: Accelerator,
        directory: DistillDirectory | None,
        progress: Progress,
    ) -> None:
        self._prepared = prepared
        self._spec = prepared.spec
        self._accelerator = accelerator
        self._directory = directory
        self._progress = progress
        self._saver = Saver(path, prepared, accelerator, directory)
        self._validator: Validator | None = None

    def loaded(self) -> Trainer:
        """Load the teacher, encode the data, and go back to the latest checkpoint."""
        with Interrupts(), self._saver.timed("load"):
            pipe = self._load()
            self._saver.pipeline, schedule = type(pipe), dict(pipe.scheduler.config)
        with Interrupts(), self._saver.timed("encode"):
            data = self._encode(pipe)
        if self._prepared.validation:
            with Interrupts(), self._saver.timed("encode"):
                targets = self._targets(pipe)
                if self._accelerator.is_main_process:
                    self._validator = Validator(
                        self._spec, self._prepared.validation, targets, pipe, schedule, self._accelerator
                    )
        with Interrupts(), self._saver.timed("load"):
            unet = FAMILIES[self._spec.base.family].denoiser(pipe).to("cpu")
            del pipe
            gc.collect()
            student = Student(unet, self._spec.distill)
            if (half := machine.half(self._accelerator)) is not None:
                student.halve(half)
            unet.to(self._accelerator.device)
            found, warnings = self._saver.latest(data.sha256)
            self._progress.warn(warnings)
            sampler = SCHEDULERS[self._spec.distill.scheduler](name=self._spec.distill.scheduler)
            scheduler = schedulers.make(sampler, schedule)
            return Trainer(self._spec, self._accelerator, student, data, scheduler, found)

    def train(self, trainer: Trainer) -> None:
        """Make the steps that are left, with checkpoints.

        Raises:
            KeyboardInterrupt: if a Ctrl-C has come.
        """
        distill, saved = self._spec.distill, -1
        self._progress.on_begin(trainer.done)
        with CtrlC() as stop:  # a step that was begun is finished
            for done in trainer.steps(lambda: stop.came):
                self._saver.log(done)
                self._progress.on_step(done)
                if self._validator is not None and distill.validates_after(done.step):
                    with self._saver.timed("validate"):
                        self._saver.validated(self._validator, trainer)
                    self._progress.on_validated()
                if done.step % distill.checkpoint.every == 0:
                    self._saver.save(trainer)
                    saved = done.step
            if saved != trainer.done:
                self._saver.save(trainer)
        if trainer.done < distill.steps:
            raise KeyboardInterrupt(f"interrupted after {trainer.done} of {distill.steps} steps; it goes on from there")

    def _load(self) -> Any:
        files = Unchanged.since_now(self._prepared.teacher.files)
        if lock(files.artifacts) != self._prepared.lock:
            raise RunError("the base's files were changed while they were read; start it again")
        with opened(without_pickles(files.artifacts)) as there:
            run = self._spec.teacher("a prompt")
            pipe = base.load(run, there, self._accelerator.device, torch.float32)
        cublas.of_this_process.used()
        return pipe

    def _encode(self, pipe: Any) -> Dataset:
        """Return the data, encoded."""
        data = self._spec.data
        steps, guidance_scale = getattr(data, "steps", 50), getattr(data, "guidance_scale", 5.0)
        return self._encoded(pipe, self._prepared.chunks, steps, guidance_scale)

    def _targets(self, pipe: Any) -> Dataset:
        """Return what the teacher draws for validations."""
        distill = self._spec.distill
        chunks = tuple(keys.validation(self._spec, self._prepared.lock, self._prepared.validation))
        return self._encoded(pipe, chunks, distill.validation.teacher_steps, distill.validation_guidance)

    def _encoded(self, pipe: Any, chunks: Sequence[Chunk], steps: int, guidance_scale: float) -> Dataset:
        return dataset.encode(
            chunks,
            keys.unconditional(self._spec, self._prepared.lock),
            cache(lambda: Encoder(pipe, self._spec, self._accelerator.device, steps, guidance_scale)),
            (self._accelerator.process_index, self._accelerator.num_processes),
            self._accelerator.wait_for_everyone,
            self._progress.on_encoded,
        )
