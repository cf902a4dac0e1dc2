"""All keys that a user may set, and what the command line says of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from tcdflow.config.places import groups
from tcdflow.errors import ConfigError, Problem
from tcdflow.record.key import Effect, effect
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.keys import NAME, Key, keys
from tcdflow.spec.model import RunSpec
from tcdflow.spec.nearest import nearest
from tcdflow.spec.sweep import SweepSpec
from tcdflow.spec.tracker import Tracking
from tcdflow.sweeps.ray_cluster import KEY as LAUNCHER
from tcdflow.sweeps.ray_cluster import RaySettings

CHANGES: dict[Effect, str] = {
    "pixels": "yes",
    "files": "yes, by the content of the files it names",
    "bits": "no, bits at most (about 1e-6)",
    "lora": "no, the LoRA that is distilled",
    "none": "no",
}
"""What is said of whether a key changes pixels."""

_TRUTH = ("true", "false")
_OTHERS = (
    Key("lock", "text or null", "lock file that pins the sources, as tcdflow lock writes it", default="null"),
    Key(
        "security.allow_pickle",
        "true or false",
        "read the tensors of pickled weights (.bin, .ckpt, .pt); none of their code is run; on the command line only",
        choices=_TRUTH,
        default="false",
    ),
    Key("hydra.run.dir", "text", "directory of a run; on the command line only", default="outputs/DATE/TIME"),
    Key("hydra.sweep.dir", "text", "directory of a sweep; on the command line only", default="outputs/sweeps/NAME"),
)


@cache
def table() -> tuple[Key, ...]:
    """Return every key, in the order of the configuration."""
    distill = [key for key in keys(DistillSpec) if effect(key.name) == "lora"]
    ray = [replace(key, kinds=("hydra/launcher=ray",)) for key in keys(RaySettings, LAUNCHER)]
    return (*keys(RunSpec), *keys(SweepSpec, "sweep"), *keys(Tracking), *distill, *_OTHERS, *ray)


def below(prefix: str) -> list[Key]:
    """Return the keys below a group or part, such as ``sampling.`` or ``adapters.canny.preprocessor.``.

    Raises:
        ConfigError: if there are none.
    """
    parts = prefix.rstrip(".").split(".")
    found = [
        key
        for key in table()
        if len(own := key.name.split(".")) > len(parts)
        and all(a in (b, NAME) for a, b in zip(own, parts, strict=False))
    ]
    if not found:
        known = list(dict.fromkeys(key.name.rpartition(".")[0] + "." for key in table() if "." in key.name))
        what = f"no keys are below it; there are keys below {', '.join(known)}"
        raise ConfigError([Problem(prefix, what, nearest=nearest(prefix, known))])
    return found


def find(name: str) -> list[Key]:
    """Return what a key is, once for each kind of part that has it; empty if it is unknown."""
    return [key for key in table() if key.matches(name)]


def close_to(name: str, more: Sequence[str] = ()) -> str | None:
    """Return the known key nearest to a misspelt one, with the names that the user gave in it."""
    path = name.split(".")
    known = {
        ".".join(word if own == NAME else own for own, word in zip(parts, [*path, *parts[len(path) :]], strict=False))
        for key in table()
        for parts in [key.name.split(".")]
    }
    last = by_last_word()
    found = nearest(name, [*known, *groups(), *more])
    return found or last.get(nearest(name, last) or "")


def by_last_word() -> dict[str, str]:
    """Return keys by their last word, such as ``steps``; those of a run come first, and of no single LoRA."""
    names = sorted((key.name for key in table()), key=lambda name: (effect(name) == "lora", f".{NAME}." in name))
    return {name.rpartition(".")[2]: name for name in reversed(names)}


def allowed(key: Key) -> str:
    """Return type and range in words: ``whole number or null, 8 to 8192``."""
    kind = key.type
    if key.choices and key.choices != _TRUTH:
        kind = re.sub(r"\bchoice\b", " | ".join(key.choices), kind)
    return f"{kind}, {key.range}" if key.range else kind


def default(key: Key) -> str:
    """Return the default in words."""
    return "required" if key.default is None else f"default {key.default}"


def changes(key: Key) -> str:
    """Say whether a key changes pixels."""
    return CHANGES[effect(key.name)]


def plain(key: Key) -> dict[str, Any]:
    """Return what is known of a key, for JSON."""
    return {
        "key": key.name,
        "type": key.type,
        "range": key.range or None,
        "choices": list(key.choices),
        "default": key.default,
        "required": key.default is None,
        "only_for": list(key.kinds),
        "changes_pixels": effect(key.name),
        "description": key.description,
    }
