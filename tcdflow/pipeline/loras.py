"""The LoRA stack on a pipeline: loaded through peft, weighted, merged or not, fused or not, detached exactly.

peft's and diffusers' life cycle has traps (a second load silently deactivates the first; reweighting while fused
corrupts the base; unfusing leaves rounding residue). So a stack is always attached as a whole, in order, and a fused
one is taken off by restoring the base's weights from a copy, never by subtracting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open

from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.diffusers import lora_components, quiet
from tcdflow.pipeline import block_weights
from tcdflow.pipeline.adapter_names import adapter_name
from tcdflow.pipeline.merge import merge as merged
from tcdflow.spec.model import MergeSpec
from tcdflow.text import reason

_DOWN = (".lora_A.weight", ".lora_down.weight", ".lora.down.weight", "_lora.down.weight", ".down.weight")
_MERGED = "merged"


@dataclass(frozen=True)
class StackEntry:
    """One LoRA of a stack.

    Attributes:
        name: what it is called in the spec.
        path: its safetensors file.
        weight: a number, or numbers by component and block as in diffusers' ``set_adapters``.
        partial: let modules that the base lacks go unused.
    """

    name: str
    path: Path
    weight: Any
    partial: bool = False

    @property
    def adapter(self) -> str:
        """Its name in peft."""
        return adapter_name(self.name)


@dataclass(frozen=True)
class Attached:
    """What a LoRA was really attached to.

    Attributes:
        name: of the LoRA.
        modules: number of its layers by component.
        of: modules that its file has.
        weights: that its layers really have, each of them once, in order; 0 where it is switched off. None of a merged
            stack, whose LoRAs are one.
    """

    name: str
    modules: dict[str, int]
    of: int
    weights: tuple[float, ...] = ()


class LoraStack:
    """The stack of one pipeline.

    The pipeline must be free of offloading, layerwise casting and compilation whenever the stack changes: see
    ``tcdflow.pipeline.optimizations``.

    Args:
        pipe: a pipeline with diffusers' LoRA loader.
        restorable: keep a copy of the weights that fusing changes; without it a fused stack stays for good.
        device: where weights are added up when fusing, for a pipeline that waits elsewhere: a CPU adds half
            precision in float32, which gives other bits than a GPU. None adds them where they are.
    """

    def __init__(self, pipe: Any, *, restorable: bool = True, device: torch.device | None = None) -> None:
        self._pipe = pipe
        self._restorable = restorable
        self._device = device
        self._originals: dict[tuple[str, str, str], tuple[torch.Tensor, torch.Tensor]] = {}
        self._entries: tuple[StackEntry, ...] = ()
        self._attached: tuple[Attached, ...] = ()
        self._fused = self._merged = False

    @property
    def fused(self) -> bool:
        """Whether the base's weights carry the stack."""
        return self._fused

    @property
    def warnings(self) -> tuple[str, ...]:
        """What attaching it showed to be probably not meant."""
        return tuple(
            f"loras.{one.name}: {one.of - used} of its {one.of} modules are not in the base and have no effect"
            for one in self._attached
            if (used := sum(one.modules.values())) < one.of
        )

    @property
    def reweightable(self) -> bool:
        """Whether other weights can be set on the LoRAs as they are: they are there, neither fused nor merged."""
        return bool(self._entries) and not self._fused and not self._merged

    def attach(
        self, entries: Sequence[StackEntry], *, fuse: bool, merge: MergeSpec | None = None
    ) -> tuple[Attached, ...]:
        """Put a stack on a bare pipeline. If that fails it is bare again, unless it is fused beyond restoring.

        Args:
            entries: the LoRAs, in order; another order is not bit-identical (about 6e-7).
            fuse: add them to the base's weights.
            merge: make them one LoRA first.

        Raises:
            ConfigError: if a file is damaged, its keys match the base not at all or only in part, a weight names
                what is not there, or the LoRAs cannot be merged.
        """
        assert not self._entries, "detach the last stack first"
        if not entries:
            return ()
        self._entries = tuple(entries)
        try:
            self._attached = tuple(self._attach(entry) for entry in entries)
            self._check_weights(entries, merge)
            if merge is None:
                self._set_weights({entry.adapter: entry.weight for entry in entries})
                self._attached = self._with_weights()
            else:
                self._merge(merge)
            if fuse:
                self._fuse()
        except BaseException:
            if self._restorable or not self._fused:
                self.detach()
            raise
        return self._attached

    def reweight(self, weights: Sequence[Any]) -> tuple[Attached, ...]:
        """Give a stack that is neither fused nor merged other weights, and return what it is like now.

        Raises:
            ConfigError: if a weight names what is not there; the weights stay as they were.
        """
        assert self.reweightable, "a fused or merged stack is detached and attached again"
        entries = tuple(replace(e, weight=weight) for e, weight in zip(self._entries, weights, strict=True))
        self._check_weights(entries, None)
        self._set_weights({entry.adapter: entry.weight for entry in entries})
        self._entries = entries
        self._attached = self._with_weights()
        return self._attached

    def detach(self) -> None:
        """Leave the pipeline as it was loaded, bit for bit."""
        assert self._restorable or not self._fused, "this stack was fused for good"
        self._pipe.unload_lora_weights()
        for (component, module, name), (held, copy) in self._originals.items():
            if copy is not held:
                held.copy_(copy)
            # The memory it was loaded into: on a CPU the bits of a product depend on its alignment.
            getattr(self._pipe, component).get_submodule(module).get_parameter(name).data = held
        self._originals.clear()
        self._entries, self._fused, self._merged = (), False, False

    def _load(self, entry: StackEntry) -> None:
        try:
            with quiet():
                self._pipe.load_lora_weights(
                    str(entry.path.parent), weight_name=entry.path.name, adapter_name=entry.adapter
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise _problem(entry, f"does not fit the base: {reason(error)}") from error
        for component in lora_components(self._pipe):
            # A file may ask for dropout in its metadata, and layers made by peft start out in training mode.
            getattr(self._pipe, component).eval()

    def _set_weights(self, weights: Mapping[str, Any]) -> None:
        # A list with one item for each: a single mapping would be used up by the first LoRA.
        self._pipe.set_adapters(list(weights), adapter_weights=list(weights.values()))

    def _with_weights(self) -> tuple[Attached, ...]:
        layers = [layer for _, _, layer in self._layers()]
        return tuple(
            replace(one, weights=tuple(sorted({_weight(la, name) for la in layers if name in _adapters(la)})))
            for one, name in zip(self._attached, [entry.adapter for entry in self._entries], strict=True)
        )

    def _merge(self, merge: MergeSpec) -> None:
        weights = {entry.adapter: entry.weight for entry in self._entries}
        tensors = {
            f"{component}.{key}": tensor
            for component in lora_components(self._pipe)
            for key, tensor in merged(getattr(self._pipe, component), weights, merge).items()
        }
        self._pipe.unload_lora_weights()
        with quiet():
            self._pipe.load_lora_weights(tensors, adapter_name=_MERGED)
        self._set_weights({_MERGED: 1.0})
        self._merged = True

    def _fuse(self) -> None:
        layers = list(self._layers())
        self._fused = True
        for component, module, layer in layers:
            base = layer.get_base_layer()
            home = base.weight.device
            # "cuda" and "cuda:0" are unequal and one place: to move there is no move, and adding is in place.
            where = home if self._device is None or self._device.type == home.type else self._device
            if self._restorable:
                for name, parameter in base.named_parameters():
                    held = parameter.data
                    copy = held.to("cpu", copy=True) if where == home else held
                    self._originals[component, module, name] = held, copy
            layer.to(where)
            layer.merge()  # of each layer, this is what diffusers' fuse_lora does
            layer.to(home)
        # The base now carries the weights; without the wrappers each layer is called directly.
        self._pipe.unload_lora_weights()

    def _layers(self) -> Iterator[tuple[str, str, Any]]:
        for component in lora_components(self._pipe):
            for module, layer in getattr(self._pipe, component).named_modules():
                if isinstance(layer, BaseTunerLayer):
                    yield component, module, layer

    def _paths(self, name: str) -> dict[str, list[str]]:
        """Where a LoRA is: paths of its modules by component."""
        paths: dict[str, list[str]] = {}
        for component, module, layer in self._layers():
            if name in _adapters(layer):
                paths.setdefault(component, []).append(module)
        return paths

    def _check_weights(self, entries: Sequence[StackEntry], merge: MergeSpec | None) -> None:
        problems = [
            problem
            for entry in entries
            for problem in block_weights.problems(entry.name, entry.weight, self._pipe, self._paths(entry.adapter))
        ]
        if merge is not None:
            what = "must be one number where the LoRAs are merged (lora_stack.merge)"
            problems += [
                Problem(f"loras.{entry.name}.weight", what, entry.weight)
                for entry in entries
                if isinstance(entry.weight, Mapping)
            ]
        if problems:
            raise ConfigError(problems)

    def _attach(self, entry: StackEntry) -> Attached:
        self._load(entry)
        wanted = self._check_match(entry)
        return Attached(entry.name, {c: len(paths) for c, paths in self._paths(entry.adapter).items()}, wanted)

    def _check_match(self, entry: StackEntry) -> int:
        """Return how many modules a LoRA's file has, all of which the base must have too.

        diffusers would attach it in part or not at all with a mere warning. A file may be known to hold more than this
        base has (``partial``), but never to fit nowhere.
        """
        with safe_open(str(entry.path), framework="pt") as file:
            keys = list(file.keys())
        wanted = [key for key in keys if key.endswith(_DOWN)]
        matched = sum(len(paths) for paths in self._paths(entry.adapter).values())
        if not wanted:
            raise _problem(entry, f"holds no LoRA: none of its {len(keys)} keys is one, e.g. {', '.join(keys[:3])}")
        if matched == 0 or (matched < len(wanted) and not entry.partial):
            strange = self._unmatched(entry) or wanted
            raise _problem(
                entry,
                f"matches {matched} of its {len(wanted)} modules to the base; "
                f"unmatched are e.g. {', '.join(strange[:3])}",
            )
        return len(wanted)

    def _unmatched(self, entry: StackEntry) -> list[str]:
        state, *_ = self._pipe.lora_state_dict(str(entry.path.parent), weight_name=entry.path.name)
        there = {f"{component}.{module}" for component, paths in self._paths(entry.adapter).items() for module in paths}
        modules = {key: key.split(".lora")[0] for key in state if key.endswith(_DOWN)}
        return [module for module in modules.values() if module not in there]


def _weight(layer: Any, adapter: str) -> float:
    """Return what a layer multiplies a LoRA's own scale with."""
    if layer.disable_adapters or adapter not in layer.active_adapters:
        return 0.0
    rank = layer.r[adapter]
    own = layer.lora_alpha[adapter] / (math.sqrt(rank) if layer.use_rslora.get(adapter) else rank)
    return round(float(layer.scaling[adapter] / own), 6) if own else 0.0


def _adapters(layer: Any) -> set[str]:
    return {name for names in layer.adapter_layer_names for name in getattr(layer, names)}


def _problem(entry: StackEntry, what: str) -> ConfigError:
    return ConfigError([Problem(f"loras.{entry.name}.source", what, str(entry.path.name))])
