"""``model_index.json`` and other small JSON files of a model, which may be untrusted: read with limits.

What is refused here is refused before diffusers sees it, whatever diffusers itself would make of it: folders outside
the model, libraries other than diffusers and transformers, and pipelines that bring their own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tcdflow.errors import SourceError
from tcdflow.files.stamp import Stamp
from tcdflow.text import reason

FILE = "model_index.json"
MAX_BYTES = 16 * 2**20
"""Size of the largest config that is parsed; the index of a sharded model is the longest, with some megabytes."""

_CLIP_TEXT = re.compile(r"CLIPTextModel(WithProjection)?")
_CLIP_TOKENIZER = re.compile(r"CLIPTokenizer(Fast)?")
_CLASSES = {
    "unet": re.compile(r"UNet(2DCondition|Motion)Model"),
    "vae": re.compile(r"Autoencoder(KL|Tiny)"),
    "text_encoder": _CLIP_TEXT,
    "text_encoder_2": _CLIP_TEXT,
    "tokenizer": _CLIP_TOKENIZER,
    "tokenizer_2": _CLIP_TOKENIZER,
    "scheduler": re.compile(r"[A-Za-z0-9]+Scheduler"),
    "safety_checker": re.compile(r"StableDiffusionSafetyChecker"),
    "feature_extractor": re.compile(r"CLIP(ImageProcessor|FeatureExtractor)(Fast)?"),
    "image_encoder": re.compile(r"CLIPVisionModelWithProjection"),
}
"""What a library may load for each component; it looks at no others."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last is diffusers' own module of safety checkers


def components(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the components that a ``model_index.json`` names, with their classes; those it leaves empty are left out.

    Raises:
        SourceError: if an entry is not what diffusers writes.
    """
    if not isinstance(index.get("_class_name", ""), str):
        raise SourceError(f"its {FILE} names a pipeline class of its own, whose code is not run")
    found: dict[str, str] = {}
    for name, entry in index.items():
        if name.startswith("_") or not isinstance(entry, list):
            continue  # what is not a list is a setting of the pipeline, such as requires_safety_checker
        match entry:
            case [None, None]:
                continue
            case [str(library), str(cls)] if _NAME.fullmatch(name) and _NAME.fullmatch(cls):
                if library not in _LIBRARIES:
                    raise SourceError(
                        f"its {FILE} takes {name} from {library[:60]!r}; only diffusers and transformers are used"
                    )
                if name in _CLASSES and not _CLASSES[name].fullmatch(cls):
                    raise SourceError(f"its {FILE} makes {name} a {cls}, which is not supported")
                found[name] = cls
            case _:
                raise SourceError(f"its {FILE} has a damaged entry {name[:60]!r}; a component is [library, class]")
    if not found:
        raise SourceError(f"its {FILE} names no component")
    return found


def check_shards(index: Path, shards: Collection[str]) -> None:
    """Check that the index of a sharded model names the chosen files and no others.

    Args:
        index: the ``*.safetensors.index.json``.
        shards: names of the chosen weight files beside it.

    Raises:
        SourceError: if it names another file, a folder or a pickle, or leaves one out.
    """
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise SourceError("has no weight_map of tensors to files")
    named = set(weight_map.values())
    if odd := sorted(named.symmetric_difference(shards)):
        verb = "names" if odd[0] in named else "does not name"
        raise SourceError(f"{verb} {odd[0][:100]!r}; the weight files beside it are {', '.join(sorted(shards))}")


def read_config(path: Path) -> dict[str, Any]:
    """Read a small JSON mapping; the same file is read once.

    Raises:
        SourceError: as :func:`read_json`.
        OSError: if there is no such file.
    """
    return _config(path, Stamp.of(path))


@lru_cache(maxsize=64)
def _config(path: Path, stamp: Stamp) -> dict[str, Any]:
    return read_json(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON mapping.

    Raises:
        SourceError: if it is too large, no JSON, or no mapping.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise SourceError(f"has more than {MAX_BYTES:,} bytes, which no config has")
        value = json.loads(text.decode("utf-8"))
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"is not JSON: {reason(error, 100)}") from None
    if not isinstance(value, dict):
        raise SourceError("is not a JSON mapping")
    return value
