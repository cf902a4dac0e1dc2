"""The training loop, through accelerate: one process, or several that share each batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from tcdflow.distill import machine
from tcdflow.distill import optimizer as optimizers
from tcdflow.distill.checkpoint import Checkpoint
from tcdflow.distill.dataset import Dataset
from tcdflow.distill.loss import Loss
from tcdflow.distill.schedule import drawn, learning_rate
from tcdflow.distill.student import Student
from tcdflow.errors import RunError
from tcdflow.spec.distill import DistillSpec


@dataclass(frozen=True)
class StepDone:
    """One step.

    Attributes:
        step: steps that are done.
        loss: mean over the batch, of all processes.
        learning_rate: of the step.
        grad_norm: before clipping.
        seconds: that it took.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    seconds: float


class Trainer:
    """Trains a student.

    Args:
        spec: the distillation.
        accelerator: of this process.
        student: its UNet on the accelerator's device.
        data: the examples.
        scheduler: the sampler that the LoRA is made for, of the base's schedule.
        found: checkpoint to go on from; None begins.
    """

    def __init__(
        self,
        spec: DistillSpec,
        accelerator: Accelerator,
        student: Student,
        data: Dataset,
        scheduler: Any,
        found: Checkpoint | None,
    ) -> None:
        self.student = student
        self.data = data
        self.done = found.step if found else 0
        self._spec = spec
        self._distill = spec.distill
        self._accelerator = accelerator
        self._count = data.count
        if found:
            student.load(found.lora)
        self._ema = {name: tensor.to(accelerator.device) for name, tensor in found.ema.items()} if found else {}
        if self._distill.ema is not None and not self._ema:
            self._ema = {name: weight.detach().clone() for name, weight in student.weights.items()}
        self._optimizer = optimizers.make(self._distill, student.weights.values())
        if found:
            optimizers.restore(self._optimizer, found.optimizer)
        self._model, self._optimizer = accelerator.prepare(student.unet, self._optimizer)
        if found and found.scaler and accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(dict(found.scaler))
        self.loss = Loss(spec, student, data, scheduler, accelerator.device, self._model)

    @property
    def exported(self) -> dict[str, Tensor] | None:
        """The moving average of the weights; None where the weights themselves are exported."""
        return self._ema or None

    def checkpoint(self, key: str) -> Checkpoint:
        """Return all that the next step depends on."""
        scaler = self._accelerator.scaler
        weights = {name: weight.detach() for name, weight in self.student.weights.items()}
        states = optimizers.states(self._optimizer)
        return Checkpoint(self.done, key, weights, states, self._ema, scaler.state_dict() if scaler else {})

    def steps(self, stop: Callable[[], bool]) -> Iterator[StepDone]:
        """Yield each step once it is done.

        Args:
            stop: asked before each step whether to end, by all processes at once.

        Raises:
            RunError: if the loss is NaN or Inf; the weights are those of the step before.
        """
        while self.done < self._distill.steps and not machine.any_of(self._accelerator, stop()):
            start = time.perf_counter()
            rate = learning_rate(self._distill, self.done)
            optimizers.set_rate(self._optimizer, rate)
            loss = self._backward(self.done)
            norm = self._accelerator.clip_grad_norm_(list(self.student.weights.values()), self._distill.max_grad_norm)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            self._average()
            self.done += 1
            yield StepDone(self.done, loss, rate, float(norm), time.perf_counter() - start)

    def _backward(self, step: int) -> float:
        """Compute the gradients of a step, and return its loss."""
        parts, processes = self._distill.accumulation, self._accelerator.num_processes
        size = self._distill.batch // (parts * processes)
        total = torch.zeros((), device=self._accelerator.device)
        for part in range(parts):
            first = (part * processes + self._accelerator.process_index) * size
            wanted = [drawn(self._distill, step, first + number, self._count) for number in range(size)]
            # Gradients go round among the processes once, with the last part.
            last = part == parts - 1
            with self._accelerator.autocast(), _synced(self._accelerator, self._model, last):
                loss = self.loss(wanted) / parts
                self._accelerator.backward(loss)
            total += loss.detach()
        mean = float(self._accelerator.reduce(total, "mean"))
        if not torch.isfinite(torch.tensor(mean)):
            what = "a lower distill.learning_rate, or distill.precision=float32"
            raise RunError(f"the loss of step {step + 1} is {mean}; try {what}")
        return mean

    @torch.no_grad()
    def _average(self) -> None:
        decay = self._distill.ema
        if decay is not None:
            for name, weight in self.student.weights.items():
                self._ema[name].lerp_(weight, 1 - decay)


def _synced(accelerator: Accelerator, model: Any, last: bool) -> AbstractContextManager[Any]:
    """Return what keeps gradients to this process for all parts of a batch but the last."""
    return nullcontext() if last else accelerator.no_sync(model)
