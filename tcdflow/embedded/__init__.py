"""The models that ship with the package, so that everything runs with no network.

Each is a folder in the layout of a diffusers pipeline, with its TCD-LoRA in ``tcd_lora/``, what it draws in
``vocabulary.txt``, its ``VERSION``, and a ``MODEL_CARD.md`` on how it was made and how it is licensed. The
next model takes a folder here, its name in :data:`MODELS`, a family in ``parts/families/embedded.py`` and a preset in
``conf/base/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tcdflow.embedded.vocabulary import Finding, Reading, Vocabulary, caption

__all__ = [
    "MODELS",
    "Finding",
    "Reading",
    "Vocabulary",
    "advice",
    "caption",
    "lora_path",
    "model_path",
    "named",
    "unknown_words",
    "version",
    "vocabulary",
]

_HERE: Final = Path(__file__).resolve().parent

MODELS: Final[Mapping[str, Path]] = MappingProxyType({name: _HERE / name for name in ("emoji", "icons")})
"""The folder of each embedded model, by name."""


def model_path(name: str) -> Path:
    """The folder of an embedded model, as ``DiffusionPipeline.from_pretrained`` takes it.

    Its weights are half precision: give ``dtype=`` explicitly.

    Raises:
        ValueError: no embedded model has this name; the message names those that exist.
    """
    try:
        return MODELS[name]
    except KeyError:
        known = ", ".join(sorted(MODELS))
        raise ValueError(f"no embedded model is called {name!r}; there is: {known}") from None


def lora_path(name: str) -> Path:
    """The safetensors file of the TCD-LoRA that belongs to an embedded model."""
    return model_path(name) / "tcd_lora" / "pytorch_lora_weights.safetensors"


def version(name: str) -> str:
    """The version of an embedded model; it changes whenever its weights do."""
    return (model_path(name) / "VERSION").read_text(encoding="utf-8").strip()


def named(source: str) -> str | None:
    """The embedded model of a source, such as ``embedded:emoji/tcd_lora``; None where it is something else."""
    scheme, _, place = source.partition(":")
    model = place.partition("/")[0]
    return model if scheme == "embedded" and model in MODELS else None


@cache
def vocabulary(name: str) -> Vocabulary:
    """What an embedded model can draw."""
    return Vocabulary.parse((model_path(name) / "vocabulary.txt").read_text(encoding="utf-8"))


def unknown_words(name: str, prompt: str) -> list[str]:
    """The parts of a prompt that an embedded model cannot know; empty where it knows them all."""
    return [finding.text for finding in vocabulary(name).read(prompt).findings]


@lru_cache(maxsize=4096)  # a sweep asks for each cell
def advice(name: str, prompt: str) -> str | None:
    """What to tell the author of a prompt that an embedded model will not follow; None where it will."""
    return vocabulary(name).advice(prompt, model=name)
