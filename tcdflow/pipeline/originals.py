"""Weights of a pipeline that a LoRA stack has changed, and how they were: restored bit for bit, and in their place."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tcdflow.pipeline.stored import StoredTensor, StoredWeights

_Key = tuple[str, str, str]


class Originals:
    """The weights that are changed, each held once.

    Args:
        restorable: whether they are to be restored; if not, they stay changed for good.
        stored: the files that they were loaded from. What is found there, bit for bit, is read again; of all else a
            copy is kept.
    """

    def __init__(self, *, restorable: bool, stored: StoredWeights) -> None:
        self._wanted = restorable
        self._stored = stored
        self._found: dict[_Key, StoredTensor] = {}
        self._held: dict[_Key, tuple[Tensor, Tensor | StoredTensor]] = {}
        self.changed = False

    @property
    def final(self) -> bool:
        """Whether weights are changed and cannot be restored."""
        return self.changed and not self._wanted

    @property
    def restorable(self) -> bool:
        """Whether what is changed can be restored: not if files that it would come from were changed themselves."""
        read = any(isinstance(original, StoredTensor) for _, original in self._held.values())
        return self._wanted and (not read or self._stored.unchanged)

    def hold(self, component: str, module: str, layer: nn.Module, name: str) -> None:
        """Note a parameter that is about to be changed where it lies.

        Args:
            component: the part of the pipeline.
            module: path of the layer in it.
            layer: the layer.
            name: of its parameter.
        """
        self.changed = True
        key = component, module, name
        if self._wanted and key not in self._held:
            weight = layer.get_parameter(name).data
            # What was found once is found again: since then the weight was restored to these very bits.
            if key not in self._found and (found := self._stored.find(weight)) is not None:
                self._found[key] = found
            self._held[key] = weight, self._found.get(key, None) or weight.to("cpu", copy=True)

    def restore(self, pipe: Any) -> None:
        """Give a pipeline that bears no LoRA layers its weights back.

        Raises:
            RunError: if a file was changed that they come from; the pipeline is of no use then.
        """
        assert not self.final, "this stack was fused for good"
        for (component, module, name), (held, original) in self._held.items():
            if isinstance(original, StoredTensor):
                original.restore(held)
            else:
                held.copy_(original)
            # The memory it was loaded into: on a CPU the bits of a product depend on its alignment.
            getattr(pipe, component).get_submodule(module).get_parameter(name).data = held
        self._held.clear()
        self.changed = False
