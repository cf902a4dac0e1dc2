"""Teacher and student: one UNet, its LoRA off and on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from tcdflow.distill.draws import draw
from tcdflow.distill.targets import TARGETS
from tcdflow.spec.distill import Distillation

ADAPTER = "default"
"""Name of the LoRA in peft, which diffusers' own trainers give it too."""


class Student:
    """A UNet with a new LoRA.

    Args:
        unet: on a CPU and in float32; it is changed.
        distill: rank, alpha and seed. Draws are made on the CPU, so that they are the same for every device.

    Attributes:
        unet: with the LoRA.
        dtype: of the base's weights.
    """

    def __init__(self, unet: Any, distill: Distillation) -> None:
        self.unet = unet
        alpha = distill.lora_alpha
        config = LoraConfig(
            r=distill.rank,
            lora_alpha=int(alpha) if alpha == int(alpha) else alpha,
            target_modules=list(TARGETS),
            lora_dropout=0.0,
        )
        unet.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw(distill.seed, "lora"))
            unet.add_adapter(config, ADAPTER)
        if distill.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        unet.train()
        self.dtype = torch.float32
        self._layers = [module for module in unet.modules() if isinstance(module, BaseTunerLayer)]

    @torch.no_grad()
    def halve(self, dtype: torch.dtype) -> None:
        """Keep the base's weights in half precision; those of the LoRA stay in float32."""
        self.dtype = dtype
        trained = set(self.weights)
        for name, weight in self.unet.named_parameters():
            if name not in trained:
                weight.data = weight.data.to(dtype)

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The weights that are trained, by their names in the UNet."""
        return {name: weight for name, weight in self.unet.named_parameters() if f".{ADAPTER}." in name}

    @property
    def config(self) -> dict[str, Any]:
        """Peft's settings of the LoRA for peft, as plain data in a fixed order."""
        plain: dict[str, Any] = self.unet.peft_config[ADAPTER].to_dict()
        return {name: sorted(value) if isinstance(value, set) else value for name, value in plain.items()}

    def state(self) -> dict[str, Tensor]:
        """Return the LoRA by the names that diffusers' files have."""
        return {name: weight.detach() for name, weight in get_peft_model_state_dict(self.unet).items()}

    @contextmanager
    def as_teacher(self) -> Iterator[None]:
        """Have the UNet be the base meanwhile."""
        self._enable(False)
        try:
            yield
        finally:
            self._enable(True)

    @contextmanager
    def holding(self, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
        """Have the LoRA hold other weights meanwhile, such as their moving average; None changes nothing."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()} if weights else {}
        if weights:
            self.load(weights)
        try:
            yield
        finally:
            if own:
                self.load(own)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the weights, by their names in the UNet."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])

    def _enable(self, enabled: bool) -> None:
        for layer in self._layers:
            layer.enable_adapters(enabled)
