"""The LoRA stack on a pipeline: loaded through peft, weighted, merged or not, fused or not, detached exactly.

peft's and diffusers' life cycle has traps (a second load silently deactivates the first; reweighting while fused
corrupts the base; unfusing leaves rounding residue). So a stack is always attached as a whole, in order, and a fused
one is taken off by restoring the base's weights from their files or a copy, never by subtracting. A LoRA that peft's
layers cannot hold (:mod:`.lora_deltas`) is added to the weights, whether the stack is fused or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from torch import Tensor

from tcdflow.errors import ConfigError, Problem, SourceError
from tcdflow.libraries.diffusers import lora_components, lora_warnings, quiet
from tcdflow.pipeline import block_weights
from tcdflow.pipeline.adapter_names import adapter_name
from tcdflow.pipeline.lora_names import LoraNames, Place
from tcdflow.pipeline.lora_weights import Change, LoraWeights
from tcdflow.pipeline.merge import merge as merged
from tcdflow.pipeline.originals import Originals
from tcdflow.pipeline.stored import StoredWeights
from tcdflow.spec.model import MergeSpec
from tcdflow.text import joined, reason

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
        fused: whether the base's weights carry it.
        weights: that its layers really have, each of them once, in order; 0 where it is switched off. None of a merged
            stack, whose LoRAs are one.
    """

    name: str
    modules: dict[str, int]
    of: int
    fused: bool = False
    weights: tuple[float, ...] = ()


class LoraStack:
    """The stack of one pipeline.

    The pipeline must be free of offloading, layerwise casting and compilation whenever the stack changes: see
    ``tcdflow.pipeline.optimizations``.

    Args:
        pipe: a pipeline with diffusers' LoRA loader.
        restorable: whether the weights that fusing changes are to be restored; if not, a fused stack stays for good.
        stored: the files of the base; of changed weights that are not in them a copy is kept.
        device: where weights are added up when fusing, for a pipeline that waits elsewhere: a CPU adds half
            precision in float32, which gives other bits than a GPU. None adds them where they are.
    """

    def __init__(
        self,
        pipe: Any,
        *,
        restorable: bool = True,
        stored: StoredWeights | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._pipe = pipe
        self._device = device
        self._originals = Originals(restorable=restorable, stored=stored or StoredWeights())
        self._entries: tuple[StackEntry, ...] = ()
        self._read: dict[str, LoraWeights] = {}
        self._attached: tuple[Attached, ...] = ()
        self._warned: list[str] = []
        self._merged = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What attaching it showed to be probably not meant."""
        unused = (
            f"loras.{one.name}: {one.of - used} of its {one.of} modules are not in the base and have no effect"
            for one in self._attached
            if (used := sum(one.modules.values())) < one.of
        )
        return (*unused, *self._warned)

    @property
    def restorable(self) -> bool:
        """Whether the pipeline can be left as it was loaded."""
        return self._originals.restorable

    @property
    def reweightable(self) -> bool:
        """Whether other weights can be set on the LoRAs as they are: they are there, neither fused nor merged."""
        return bool(self._entries) and not self._originals.changed and not self._merged

    def attach(
        self, entries: Sequence[StackEntry], *, fuse: bool, merge: MergeSpec | None = None
    ) -> tuple[Attached, ...]:
        """Put a stack on a bare pipeline. If that fails it is bare again, unless it is fused beyond restoring.

        Args:
            entries: the LoRAs, in order; another order is not bit-identical (about 6e-7).
            fuse: add them to the base's weights.
            merge: make them one LoRA first.

        Raises:
            ConfigError: if a file is damaged or of a kind that cannot be loaded, its keys match the base not at all or
                only in part, a weight names what is not there, or the LoRAs cannot be merged.
        """
        assert not self._entries, "detach the last stack first"
        if not entries:
            return ()
        self._entries = tuple(entries)
        try:
            for entry in entries:
                self._load(entry)
            self._attached = tuple(self._attach(entry) for entry in entries)
            self._check_weights(entries, merge)
            if merge is None:
                self._set_weights()
                self._attached = self._with_weights()
            else:
                self._merge(merge)
            self._add_deltas()
            if fuse:
                self._fuse()
        except BaseException:
            if not self._originals.final:
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
        self._entries = entries
        self._set_weights()
        self._attached = self._with_weights()
        return self._attached

    def detach(self) -> None:
        """Leave the pipeline as it was loaded, bit for bit."""
        assert not self._originals.final, "this stack was fused for good"
        self._pipe.unload_lora_weights()
        self._originals.restore(self._pipe)
        self._entries, self._attached, self._merged = (), (), False
        self._read.clear()
        self._warned.clear()

    @cached_property
    def _names(self) -> LoraNames:
        return LoraNames(self._pipe)

    def _load(self, entry: StackEntry) -> None:
        """Give a file to peft, unless all of it is added to the weights; its modules are counted first."""
        try:
            read = self._read[entry.name] = LoraWeights(entry.path, self._names)
        except (OSError, SourceError, SafetensorError) as error:
            raise _problem(entry, reason(error)) from error
        self._check_match(entry)
        if read.is_delta:
            return
        try:
            tensors, alphas = read.state_dict(), read.alphas()
            with lora_warnings() as warned:
                if tensors is not None:
                    self._pipe.load_lora_weights(tensors, adapter_name=entry.adapter)
                else:
                    folder, file = str(entry.path.parent), entry.path.name
                    self._pipe.load_lora_weights(folder, weight_name=file, adapter_name=entry.adapter)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise _problem(entry, f"does not fit the base: {reason(error)}") from error
        self._warned += [f"loras.{entry.name}: {joined(text)}" for text in warned]
        for component in lora_components(self._pipe):
            # A file may ask for dropout in its metadata, and layers made by peft start out in training mode.
            getattr(self._pipe, component).eval()
        if lost := read.lost(self._paths(entry)):
            raise _problem(
                entry, f"diffusers loads {read.count - len(lost)} of its {read.count} modules, not {lost[0]}"
            )
        self._set_alphas(entry, alphas or {})

    def _set_alphas(self, entry: StackEntry, alphas: Mapping[Place, float]) -> None:
        """Give each layer its alpha of the file: diffusers gives those that it mistakes the most frequent one."""
        for (component, path), alpha in alphas.items():
            layer = getattr(self._pipe, component).get_submodule(path)
            if layer.lora_alpha[entry.adapter] != alpha:
                layer.lora_alpha[entry.adapter] = alpha
                layer.set_scale(entry.adapter, 1.0)
        for component in {component for component, _ in alphas}:
            # peft makes merged LoRAs by the config.
            config = getattr(self._pipe, component).peft_config[entry.adapter]
            own = {path: alpha for (of, path), alpha in alphas.items() if of == component}
            config.alpha_pattern = {f"^{path}": alpha for path, alpha in own.items() if alpha != config.lora_alpha}

    def _set_weights(self) -> None:
        # A list with one item for each: a single mapping would be used up by the first LoRA.
        weights = {entry.adapter: entry.weight for entry in self._entries if not self._read[entry.name].is_delta}
        if weights:
            self._pipe.set_adapters(list(weights), adapter_weights=list(weights.values()))

    def _with_weights(self) -> tuple[Attached, ...]:
        layers = [layer for _, _, layer in self._layers()]
        found = []
        for one, entry in zip(self._attached, self._entries, strict=True):
            if self._read[entry.name].is_delta:
                weights = {self._weight_at(entry, place) for place in self._read[entry.name].places.values()}
            else:
                weights = {_weight(layer, entry.adapter) for layer in layers if entry.adapter in _adapters(layer)}
            found.append(replace(one, weights=tuple(sorted(weights))))
        return tuple(found)

    def _weight_at(self, entry: StackEntry, place: Place) -> float:
        return block_weights.weight_at(entry.weight, self._pipe, *place)

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
        self._pipe.set_adapters([_MERGED], adapter_weights=[1.0])
        self._merged = True

    def _add_deltas(self) -> None:
        """Add up what LoRAs change in each parameter, as the base has it, and add that to the parameter at once."""
        terms: dict[tuple[str, str, str], list[tuple[StackEntry, Change]]] = {}
        for entry in self._entries:
            if self._read[entry.name].is_delta:
                for change in self._read[entry.name].changes():
                    terms.setdefault((*change.place, change.parameter), []).append((entry, change))
        for (component, path, name), added in terms.items():
            layer = getattr(self._pipe, component).get_submodule(path)
            base = layer.get_base_layer() if isinstance(layer, BaseTunerLayer) else layer
            parameter = getattr(base, name, None)
            if parameter is None:
                raise _problem(added[0][0], f"has a {name} for {component}.{path}, which has none in the base")
            weight = parameter.data.to(self._device or parameter.device, torch.float32)
            total = torch.zeros_like(weight)
            for entry, change in added:
                total += self._weight_at(entry, change.place) * self._delta(entry, change, weight)
            self._originals.hold(component, path, base, name)
            parameter.data.copy_(weight + total)

    def _delta(self, entry: StackEntry, change: Change, weight: Tensor) -> Tensor:
        try:
            return self._read[entry.name].delta(change, weight)
        except SourceError as error:
            raise _problem(entry, reason(error)) from error

    def _fuse(self) -> None:
        for component, module, layer in list(self._layers()):
            base = layer.get_base_layer()
            memory = {name: parameter.data for name, parameter in base.named_parameters()}
            for name in memory:
                self._originals.hold(component, module, base, name)
            home = base.weight.device
            # "cuda" and "cuda:0" are unequal and one place: to move there is no move, and adding is in place.
            away = self._device is not None and self._device.type != home.type
            if away:
                layer.to(self._device)
            layer.merge()  # of each layer, this is what diffusers' fuse_lora does
            if away:
                for name, parameter in base.named_parameters():
                    parameter.data = memory[name].copy_(parameter.data)
        # The base now carries the weights; without the wrappers each layer is called directly.
        self._pipe.unload_lora_weights()
        self._attached = tuple(replace(one, fused=True) for one in self._attached)

    def _layers(self) -> Iterator[tuple[str, str, Any]]:
        for component in lora_components(self._pipe):
            for module, layer in getattr(self._pipe, component).named_modules():
                if isinstance(layer, BaseTunerLayer):
                    yield component, module, layer

    def _paths(self, entry: StackEntry) -> dict[str, list[str]]:
        """Where a LoRA is: paths of its modules by component."""
        paths: dict[str, list[str]] = {}
        if self._read[entry.name].is_delta:
            for component, path in self._read[entry.name].places.values():
                paths.setdefault(component, []).append(path)
            return paths
        for component, module, layer in self._layers():
            if entry.adapter in _adapters(layer):
                paths.setdefault(component, []).append(module)
        return paths

    def _check_weights(self, entries: Sequence[StackEntry], merge: MergeSpec | None) -> None:
        problems = [
            problem
            for entry in entries
            for problem in block_weights.problems(entry.name, entry.weight, self._pipe, self._paths(entry))
        ]
        if merge is not None:
            what = "must be one number where the LoRAs are merged (lora_stack.merge)"
            problems += [
                Problem(f"loras.{entry.name}.weight", what, entry.weight)
                for entry in entries
                if isinstance(entry.weight, Mapping)
            ]
            problems += [
                Problem("lora_stack.merge", f"'{entry.name}' is a {read.file.kind}, which peft cannot merge")
                for entry in entries
                if (read := self._read[entry.name]).is_delta
            ]
        if problems:
            raise ConfigError(problems)

    def _attach(self, entry: StackEntry) -> Attached:
        read = self._read[entry.name]
        modules = {component: len(paths) for component, paths in self._paths(entry).items()}
        return Attached(entry.name, modules, read.count, fused=read.is_delta)

    def _check_match(self, entry: StackEntry) -> None:
        """Check that the base has a LoRA's modules.

        diffusers would attach it in part or not at all with a mere warning. A file may be known to hold more than this
        base has (``partial``), but never to fit nowhere.
        """
        read = self._read[entry.name]
        matched = len(read.places)
        if read.strange and not (entry.partial and matched):
            made_for = f" (a {read.file.kind} for family {read.file.family})" if read.file.family else ""
            what = f"matches {matched} of its {read.count} modules to the base{made_for}"
            raise _problem(entry, f"{what}; unmatched are e.g. {', '.join(read.strange[:3])}")


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
