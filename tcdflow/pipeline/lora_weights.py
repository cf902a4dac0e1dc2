"""A LoRA file held against the modules of a pipeline: what of it peft takes as it is, and what is added instead.

Where diffusers reads a file as it is meant, the file is passed to it untouched. Where it does not, the tensors go to it
under peft's names; what peft's LoRA layers cannot hold becomes differences of weights (:mod:`.lora_deltas`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from tcdflow.errors import SourceError
from tcdflow.files import lora_file
from tcdflow.files.lora_keys import Kind
from tcdflow.pipeline.lora_deltas import BIASES, delta
from tcdflow.pipeline.lora_names import LoraNames, Place, original

_METADATA = "lora_adapter_metadata"  # diffusers': scales and ranks of a file that peft made
_KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
_DIFFUSERS = ("unet.", "text_encoder.", "text_encoder_2.")
_ATTENTION = (".q_proj", ".k_proj", ".v_proj", ".out_proj")


@dataclass(frozen=True)
class Change:
    """A difference that a file adds to a parameter.

    Attributes:
        place: the module.
        parameter: ``weight`` or ``bias``.
        name: of the module in the file.
    """

    place: Place
    parameter: str
    name: str


class LoraWeights:
    """The weights of one LoRA file, by the modules of a pipeline.

    Args:
        path: the file.
        names: of the pipeline's modules.

    Attributes:
        file: what its header says.
        places: the module of the pipeline that each module of the file means, by its name in the file.
        strange: modules that the pipeline lacks, as the file names them.

    Raises:
        SourceError: if it is no LoRA, or of a kind that cannot be loaded.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path, names: LoraNames) -> None:
        self._path, self._names = path, names
        self.file = lora_file.read(path)
        self.file.check()
        found = {name: names.find(name) for name in self.file.modules}
        self.strange = [name for name, place in found.items() if place is None]
        twice: dict[Place, list[str]] = {}
        for name, place in found.items():
            if place is not None:
                twice.setdefault(place, []).append(name)
        self.places = {self._one_of(place, spelt): place for place, spelt in twice.items()}

    @property
    def is_delta(self) -> bool:
        """Whether it holds what peft's LoRA layers cannot; then all of it is added to the weights."""
        kinds, modules = self.file.kinds, self.file.modules
        return any(
            kinds[name] is not Kind.LORA or "mid" in modules[name] or "dora_scale" in modules[name]
            for name in self.places
        )

    @property
    def count(self) -> int:
        """How many modules it has; one that is named in two ways counts once."""
        return len(self.places) + len(self.strange)

    def lost(self, attached: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the names of its modules that the pipeline has and that are not attached, paths by component."""
        there = {(component, path) for component, paths in attached.items() for path in paths}
        return [name for name, place in self.places.items() if place not in there]

    def alphas(self) -> dict[Place, float] | None:
        """Return the alpha of each module, its rank where the file has none; None if its metadata has the scales."""
        if self._scaled_by_metadata:
            return None
        found = {}
        for name, place in self.places.items():
            parts = self.file.modules[name]
            has = "alpha" in parts
            found[place] = self._tensor(parts["alpha"]).item() if has else float(self._shape(parts["down"])[0])
        return found

    def state_dict(self) -> dict[str, Tensor] | None:
        """Return what diffusers has to be given in place of the file, in names that it knows; None for the file itself.

        Scales are left out: see :meth:`alphas`.
        """
        if self._scaled_by_metadata or self._is_plain:
            return None
        tensors: dict[str, Tensor] = {}
        for name, (component, path) in self.places.items():
            text = component.startswith("text_encoder")
            endings = ("lora_linear_layer.down", "lora_linear_layer.up") if text else ("lora_A", "lora_B")
            parts = self._parts(name)
            rank, shape = parts["down"].shape[0], self._names.shape((component, path))
            fitted = {"down": (rank, *shape[1:]), "up": (shape[0], rank, *(1 for _ in shape[2:]))}
            for part, ending in zip(fitted, endings, strict=True):
                value = parts[part]
                fits = value.numel() == torch.Size(fitted[part]).numel()
                tensors[f"{component}.{path}.{ending}.weight"] = value.reshape(fitted[part]) if fits else value
            for part, ending in (("up_bias", "lora_B.bias"), ("magnitude", "lora_magnitude_vector")):
                if part in parts:
                    tensors[f"{component}.{path}.{ending}"] = parts[part]
        return tensors

    def changes(self) -> Iterator[Change]:
        """Yield each parameter that differences are added to."""
        for name, place in self.places.items():
            parts = self.file.modules[name]
            if any(part not in (*BIASES, "alpha") for part in parts):
                yield Change(place, "weight", name)
            if any(part in parts for part in BIASES):
                yield Change(place, "bias", name)

    def delta(self, change: Change, base: Tensor) -> Tensor:
        """Return what is added to a parameter, for a LoRA of weight 1.

        Args:
            change: which one.
            base: the parameter as the base has it, in float32.

        Raises:
            SourceError: if the file does not fit it.
        """
        parts = {part: value.to(base.device) for part, value in self._parts(change.name).items()}
        try:
            if change.parameter == "bias":
                return next(parts[part] for part in BIASES if part in parts).reshape(base.shape)
            return delta(self.file.kinds[change.name], parts, base)
        except (ValueError, RuntimeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise SourceError(f"does not fit the base: {change.name}: {error}") from None

    @cached_property
    def _open(self) -> Any:
        return safe_open(str(self._path), framework="pt")

    @property
    def _scaled_by_metadata(self) -> bool:
        return _METADATA in (self._open.metadata() or {})

    def _tensor(self, key: str) -> Tensor:
        tensor: Tensor = self._open.get_tensor(key)
        return tensor

    def _shape(self, key: str) -> list[int]:
        shape: list[int] = self._open.get_slice(key).get_shape()
        return shape

    def _parts(self, name: str) -> dict[str, Tensor]:
        return {part: self._tensor(key).to(torch.float32) for part, key in self.file.modules[name].items()}

    def _one_of(self, place: Place, names: list[str]) -> str:
        """Return the name to read of those that mean one module; as in diffusers its own go before the original's."""
        first, *others = sorted(names, key=original)
        for other in others:
            one, two = self._parts(first), self._parts(other)
            if one.keys() != two.keys() or not all(torch.equal(one[part], two[part]) for part in one):
                raise SourceError(f"has {'.'.join(place)} twice, with different weights: as {first} and as {other}")
        return first

    @property
    def _is_plain(self) -> bool:
        """Say whether diffusers, given the file, attaches all of it that the pipeline has modules for."""
        names = list(self.places) + self.strange
        kohya = all(name.startswith(_KOHYA) for name in names)
        if self.file.embeddings or not (kohya or all(name.startswith(_DIFFUSERS) for name in names)):
            return False
        if not kohya and (self._has_unknown_parts or self._text_mlp_alone):
            return False
        mixed = any(map(original, names)) and any(
            part in name for name in names for part in ("down_blocks", "up_blocks")
        )
        if mixed and any(original(name) for name in self.places):
            return False
        return all(self._fits(name, place) for name, place in self.places.items())

    @property
    def _has_unknown_parts(self) -> bool:
        """Whether parts stand beside peft's names that diffusers does not look for there."""
        modules = self.file.modules.values()
        return any("alpha" in parts or any(".default." in key for key in parts.values()) for parts in modules)

    @property
    def _text_mlp_alone(self) -> bool:
        """Whether a text encoder has weights in none of its attentions: diffusers finds no names that it knows."""
        texts = {component for component, _ in self.places.values() if component.startswith("text_encoder")}
        attending = {component for component, path in self.places.values() if path.endswith(_ATTENTION)}
        return bool(texts - attending)

    def _fits(self, name: str, place: Place) -> bool:
        """Say whether a module's matrices have as many sides as the layer, and a dtype that layers can have."""
        down = self._open.get_slice(self.file.modules[name]["down"])
        return len(down.get_shape()) == len(self._names.shape(place)) and not down.get_dtype().startswith("F8")
