"""Weights of a pipeline that a LoRA stack has changed, and how they were: restored bit for bit, and in their place."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Originals:
    """The weights that are changed, each held once.

    Args:
        restorable: keep a copy of them; without it they stay changed for good.
    """

    def __init__(self, *, restorable: bool) -> None:
        self._restorable = restorable
        self._held: dict[tuple[str, str, str], tuple[Tensor, Tensor]] = {}
        self.changed = False

    @property
    def final(self) -> bool:
        """Whether weights are changed and cannot be restored."""
        return self.changed and not self._restorable

    def hold(self, component: str, module: str, layer: nn.Module, name: str, *, moved: bool = False) -> None:
        """Note a parameter that is about to be changed.

        Args:
            component: the part of the pipeline.
            module: path of the layer in it.
            layer: the layer.
            name: of its parameter.
            moved: whether it is changed in other memory than it lies in now.
        """
        self.changed = True
        key = component, module, name
        if self._restorable and key not in self._held:
            held = layer.get_parameter(name).data
            self._held[key] = held, held if moved else held.to("cpu", copy=True)

    def restore(self, pipe: Any) -> None:
        """Give a pipeline that bears no LoRA layers its weights back."""
        assert not self.final, "this stack was fused for good"
        for (component, module, name), (held, copy) in self._held.items():
            if copy is not held:
                held.copy_(copy)
            # The memory it was loaded into: on a CPU the bits of a product depend on its alignment.
            getattr(pipe, component).get_submodule(module).get_parameter(name).data = held
        self._held.clear()
        self.changed = False
