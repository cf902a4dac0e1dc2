"""The LoRA stack on a pipeline: loaded through peft, weighted, fused or not, and taken off without a trace.

peft's and diffusers' life cycle has traps (a second load silently deactivates the first; reweighting while fused
corrupts the base; unfusing leaves rounding residue). So a stack is always put on as a whole, in order, and a fused
one is taken off by restoring the base's weights from a copy, never by subtracting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open

from tcdflow.errors import ConfigError, Problem
from tcdflow.pipeline.noise import quiet

_DOWN = (".lora_A.weight", ".lora_down.weight", ".lora.down.weight", "_lora.down.weight", ".down.weight")


@dataclass(frozen=True)
class StackEntry:
    """One LoRA of a stack.

    Attributes:
        name: adapter name in peft.
        path: its safetensors file.
        weight: a number, or numbers by component and block as in diffusers' ``set_adapters``.
    """

    name: str
    path: Path
    weight: Any


@dataclass(frozen=True)
class Attached:
    """What a LoRA was really attached to: peft layers by component."""

    name: str
    modules: dict[str, int]


class LoraStack:
    """The stack of one pipeline.

    Args:
        pipe: a pipeline with diffusers' LoRA loader.
        restorable: keep a copy of the weights that fusing changes; without it a fused stack stays for good.
    """

    def __init__(self, pipe: Any, *, restorable: bool = True) -> None:
        self._pipe = pipe
        self._restorable = restorable
        self._originals: dict[tuple[str, str], torch.Tensor] = {}
        self._entries: tuple[StackEntry, ...] = ()

    def put_on(self, entries: Sequence[StackEntry], *, fuse: bool) -> tuple[Attached, ...]:
        """Put a stack on a bare pipeline.

        Raises:
            ConfigError: if a file is damaged, or its keys match the base not at all or only in part.
        """
        assert not self._entries, "take the last stack off first"
        if not entries:
            return ()
        self._entries = tuple(entries)
        try:
            for entry in entries:
                self._load(entry)
                self._check_match(entry)
            self._pipe.set_adapters([e.name for e in entries], adapter_weights=[e.weight for e in entries])
            attached = tuple(Attached(e.name, self._modules_of(e.name, active=True)) for e in entries)
        except BaseException:
            self.take_off()
            raise
        if fuse:
            self._fuse()
        return attached

    def reweight(self, weights: Sequence[Any]) -> None:
        """Give an unfused stack other weights."""
        assert not self._originals, "a fused stack is taken off and put on again"
        self._pipe.set_adapters([e.name for e in self._entries], adapter_weights=list(weights))

    def take_off(self) -> None:
        """Leave the pipeline as it was loaded, bit for bit."""
        self._pipe.unload_lora_weights()
        for (component, module), original in self._originals.items():
            getattr(self._pipe, component).get_submodule(module).weight.data.copy_(original)
        self._originals.clear()
        self._entries = ()

    def _load(self, entry: StackEntry) -> None:
        try:
            with quiet():
                self._pipe.load_lora_weights(
                    str(entry.path.parent), weight_name=entry.path.name, adapter_name=entry.name
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            reason = " ".join(str(error).split())[:300]
            raise _problem(entry, f"does not fit the base: {reason}") from error

    def _fuse(self) -> None:
        if self._restorable:
            for component, module, layer in self._layers():
                self._originals[component, module] = layer.get_base_layer().weight.detach().to("cpu", copy=True)
        components = [name for name in self._components() if any(c == name for c, _, _ in self._layers())]
        self._pipe.fuse_lora(components=components)
        # The base now carries the weights; without the wrappers each layer is called directly.
        self._pipe.unload_lora_weights()

    def _components(self) -> Iterator[str]:
        for name in self._pipe._lora_loadable_modules:
            if getattr(self._pipe, name, None) is not None:
                yield name

    def _layers(self) -> Iterator[tuple[str, str, Any]]:
        for component in self._components():
            for module, layer in getattr(self._pipe, component).named_modules():
                if isinstance(layer, BaseTunerLayer):
                    yield component, module, layer

    def _modules_of(self, name: str, *, active: bool = False) -> dict[str, int]:
        counts: dict[str, int] = {}
        for component, _, layer in self._layers():
            if name in _adapters(layer) and (not active or name in layer.active_adapters):
                counts[component] = counts.get(component, 0) + 1
        return counts

    def _check_match(self, entry: StackEntry) -> None:
        """Refuse a LoRA that diffusers would attach in part or not at all, with a mere warning."""
        with safe_open(str(entry.path), framework="pt") as file:
            keys = list(file.keys())
        wanted = [key for key in keys if key.endswith(_DOWN)]
        matched = sum(self._modules_of(entry.name).values())
        if not wanted:
            raise _problem(entry, f"holds no LoRA: none of its {len(keys)} keys is one, e.g. {', '.join(keys[:3])}")
        if matched < len(wanted):
            strange = self._unmatched(entry) or wanted
            raise _problem(
                entry,
                f"matches {matched} of its {len(wanted)} modules to the base; "
                f"unmatched are e.g. {', '.join(strange[:3])}",
            )

    def _unmatched(self, entry: StackEntry) -> list[str]:
        state, *_ = self._pipe.lora_state_dict(str(entry.path.parent), weight_name=entry.path.name)
        there = {
            f"{component}.{module}" for component, module, layer in self._layers() if entry.name in _adapters(layer)
        }
        modules = {key: key.split(".lora")[0] for key in state if key.endswith(_DOWN)}
        return [module for module in modules.values() if module not in there]


def _adapters(layer: Any) -> set[str]:
    return {name for names in layer.adapter_layer_names for name in getattr(layer, names)}


def _problem(entry: StackEntry, what: str) -> ConfigError:
    return ConfigError([Problem(f"loras.{entry.name}.source", what, str(entry.path.name))])
