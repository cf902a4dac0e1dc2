"""The run key: one hash over what decides the pixels, the lock included. Runs with one key make one image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal

from tcdflow.files.lock import LockedFile
from tcdflow.spec.distill import DistillSpec, root_of
from tcdflow.spec.free_text import place_of
from tcdflow.spec.marks import without_places
from tcdflow.spec.model import RunSpec
from tcdflow.spec.types import Side

Effect = Literal["pixels", "files", "bits", "lora", "none"]
"""How a key enters the run key: by its value, or by the hashes of the files that it names or chooses. Those that do not
change bits at most (about 1e-6), the LoRA of a distillation alone, or nothing."""

_CHOSEN = {
    "base": ("family", "safety_checker"),
    "embeddings": ("token",),
    "loras": ("weight",),
    "runtime": ("dtype", "vae_tiling", "layerwise_casting"),
    "output": (),
}
"""Of these parts, the fields that enter the run key. Of all others, every field does that names no file, whose content
is in the lock, and describes nothing."""

_RESOLVED = frozenset({"base.size", "sampling.num_images"})
"""These enter as what they amount to: the size and the seeds of the images."""

_CHOOSE_FILES = frozenset({"variant", "sources"})
"""They name no file, and choose among those that others name."""

_FIRST_SCHEDULER_SETTINGS = (
    "beta_schedule",
    "prediction_type",
    "timestep_spacing",
    "rescale_betas_zero_snr",
    "use_karras_sigmas",
    "clip_sample",
    "original_inference_steps",
)
"""What every key has had since the first: null where it is unset, or where a scheduler knows no such setting."""


_PROMPTS: dict[str, Any] = {
    "prompt_2": None,
    "negative_prompt_2": None,
    "prompt_encoding": {"long": "truncate", "weights": "none"},
    "embeddings": {},
}
"""What of the prompts no key had at first, by the value that leaves it out."""
_LATER = {
    "task": ("mask_from", "mask_threshold", "mask_invert", "mask_padding", "mask_blur", "paste_back"),
}
"""Fields that no key had at first: they enter where they differ from their defaults."""


def run_key(spec: RunSpec, lock: Iterable[LockedFile]) -> str:
    """Return the key as 64 hex digits. Where files are, and what presets say of themselves, do not enter it."""
    text = f'{{"lock":{_lock_text(tuple(lock))},"spec":{_text(pixel_part(spec))}}}'
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@lru_cache(maxsize=64)  # the same for many cells of a sweep
def _lock_text(lock: tuple[LockedFile, ...]) -> str:
    return _text(sorted((file.role, file.file, file.sha256) for file in lock))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def effect(key: str) -> Effect:
    """Say how a key enters the run key.

    Args:
        key: dotted, such as ``sampling.eta`` or ``loras.tcd.weight``.
    """
    part, *rest = key.split(".")
    if part not in RunSpec.model_fields:
        return "lora" if root_of(part) is DistillSpec else "none"
    fields = rest[1:] if part in ("loras", "adapters", "embeddings") else rest  # their second word is a name
    names_files = place_of(key) is not None
    chosen = fields[:1] and fields[0] in _CHOSEN[part] if part in _CHOSEN else "description" not in fields
    if (chosen and not names_files) or key in _RESOLVED:
        return "pixels"
    if names_files or _CHOOSE_FILES.intersection(fields):
        return "files"
    return "bits" if part == "runtime" and fields != ["description"] else "none"


def pixel_part(spec: RunSpec) -> dict[str, Any]:
    """Return the part of a spec that decides pixels."""
    plain = spec.model_dump(mode="json", exclude={"output"})
    for part in ("runtime", "base"):
        plain[part] = {name: plain[part][name] for name in _CHOSEN[part]}
    # The size of an image counts, not whether it was said or is the base's own.
    plain["sampling"] |= {"width": _side(spec, "width"), "height": _side(spec, "height")}
    plain["sampling"]["seed"] = list(spec.sampling.seeds)
    plain["sampling"].pop("num_images")
    if spec.sampling.generator == "device":
        plain["sampling"]["generator"] = spec.runtime.device.partition(":")[0]
    # The order of a stack changes bits, so it is a list here.
    plain["loras"] = [[name, lora["weight"]] for name, lora in plain["loras"].items()]
    plain["adapters"] = [
        [name, without_places(adapter, plain["adapters"][name])] for name, adapter in spec.adapters.items()
    ]
    # What prompts got since the first key counts where it is set.
    for key, unset in _PROMPTS.items():
        if plain[key] == unset:
            del plain[key]
    if spec.embeddings:
        plain["embeddings"] = spec.embedding_tokens
    for part, names in _LATER.items():
        defaults = type(getattr(spec, part)).model_fields
        plain[part] = {
            name: value for name, value in plain[part].items() if name not in names or value != defaults[name].default
        }
    # Settings that schedulers got since then count where they are set.
    chosen = {name: value for name, value in plain["scheduler"].items() if value is not None}
    plain["scheduler"] = dict.fromkeys(_FIRST_SCHEDULER_SETTINGS) | chosen
    return plain | {
        part: without_places(getattr(spec, part), plain[part]) for part in ("task", "scheduler", "sampling")
    }


def _side(spec: RunSpec, name: str) -> Side:
    """Return a side as it is, or the word for it of a run whose input image is not known yet."""
    asked: Side = getattr(spec.sampling, name)
    return asked if isinstance(asked, str) else getattr(spec, name)
