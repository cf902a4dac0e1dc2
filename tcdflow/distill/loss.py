"""The loss of a batch: the student's jump from where it is, against its jump from where the teacher goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tcdflow.distill import objective
from tcdflow.distill.dataset import Dataset
from tcdflow.distill.objective import Predicted
from tcdflow.distill.schedule import Drawn
from tcdflow.distill.student import Student
from tcdflow.spec.distill import DistillSpec

_EMBEDS = ("prompt_embeds", "pooled_prompt_embeds")


class Loss:
    """The loss of a distillation.

    Args:
        spec: the distillation.
        student: teacher and student.
        data: the examples.
        scheduler: the sampler that the LoRA is made for, of the base's schedule.
        device: where it computes.
        forward: the UNet as training calls it: wrapped for several processes.
    """

    def __init__(
        self, spec: DistillSpec, student: Student, data: Dataset, scheduler: Any, device: torch.device, forward: Any
    ) -> None:
        self._distill = spec.distill
        self._family = spec.teacher("a prompt").family
        self._student = student
        self._data = data
        self._kind = scheduler.config.prediction_type
        self._alphas_cumprod = scheduler.alphas_cumprod.to(device, torch.float32)
        self._device = device
        self._forward = forward

    def __call__(self, drawn: Sequence[Drawn]) -> Tensor:
        """Return the mean loss of examples, a tensor without dimensions.

        Args:
            drawn: what was drawn for each.
        """
        batch = self._data.batch([one.example for one in drawn])
        batch = {name: tensor.to(self._device) for name, tensor in batch.items()}
        # Noise of a CPU's generator is the same for every device.
        shape = batch["latents"].shape[1:]
        noise = [torch.randn(shape, generator=_seeded(one)) for one in drawn]
        start = torch.tensor([one.start for one in drawn], device=self._device)
        before = torch.tensor([one.next for one in drawn], device=self._device)
        target = torch.tensor([one.target for one in drawn], device=self._device)
        x_start = objective.noised(batch["latents"], torch.stack(noise).to(self._device), *self._coefficients(start))
        with torch.no_grad():
            x_before = self._teacher_step(x_start, start, before, batch, drawn)
            there = self._jump(self._student.unet, x_before, before, target, batch)
        here = self._jump(self._forward, x_start, start, target, batch)
        if self._distill.loss == "l2":
            return objective.squared(here, there)
        return objective.pseudo_huber(here, there, self._distill.huber_c)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a call of the UNet, for comparisons: the first example at the last timestep."""
        batch = {name: tensor.to(self._device) for name, tensor in self._data.batch([0]).items()}
        return self._arguments(batch["latents"], torch.tensor([999], device=self._device), batch)

    def output(self, x: Tensor, t: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return what the student's UNet says, in float32, without gradients.

        Args:
            x: noisy latents.
            t: timesteps, shape ``(batch,)``.
            batch: embeddings and time ids.
        """
        with torch.no_grad():
            return self._call(
                self._student.unet, x, t, {name: tensor.to(self._device) for name, tensor in batch.items()}
            )

    def _teacher_step(
        self, x: Tensor, t: Tensor, before: Tensor, batch: dict[str, Tensor], drawn: Sequence[Drawn]
    ) -> Tensor:
        """Return where one DDIM step of the teacher with guidance goes."""
        count = len(x)
        scales = torch.tensor([one.guidance_scale for one in drawn], dtype=torch.float32, device=self._device)
        nothing = self._data.unconditional
        both = {
            name: torch.cat([nothing[name].to(self._device).expand(count, *batch[name].shape[1:]), batch[name]])
            for name in _EMBEDS
            if name in batch
        }
        if "time_ids" in batch:
            both["time_ids"] = torch.cat([batch["time_ids"]] * 2)
        with self._student.as_teacher():
            output = self._call(self._student.unet, torch.cat([x, x]), torch.cat([t, t]), both)
        guided = objective.guided(output[:count], output[count:], scales[:, None, None, None])
        return objective.jump(self._predicted(guided, x, t), *self._coefficients(before))

    def _jump(self, unet: Any, x: Tensor, t: Tensor, target: Tensor, batch: dict[str, Tensor]) -> Tensor:
        there = self._predicted(self._call(unet, x, t, batch), x, t)
        if self._distill.to_clean:
            return objective.to_clean(there, x, t[:, None, None, None].float())
        return objective.jump(there, *self._coefficients(target))

    def _predicted(self, output: Tensor, x: Tensor, t: Tensor) -> Predicted:
        return objective.predicted(output, x, *self._coefficients(t), self._kind)

    def _call(self, unet: Any, x: Tensor, t: Tensor, batch: dict[str, Tensor]) -> Tensor:
        (output,) = unet(**self._arguments(x, t, batch), return_dict=False)
        found: Tensor = output.float()
        return found

    def _arguments(self, x: Tensor, t: Tensor, batch: dict[str, Tensor]) -> dict[str, Any]:
        dtype = self._student.dtype
        embeds = {name: batch[name].to(dtype) for name in _EMBEDS if name in batch}
        return {"sample": x.to(dtype), "timestep": t, **self._family.conditions(embeds, batch.get("time_ids"))}

    def _coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma of timesteps."""
        cumulative = self._alphas_cumprod[t][:, None, None, None]
        return cumulative.sqrt(), (1 - cumulative).sqrt()


def _seeded(one: Drawn) -> torch.Generator:
    return torch.Generator().manual_seed(one.noise)
