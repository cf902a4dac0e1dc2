"""Another tool's image as an experiment file: what can be mapped is, the rest is said in comments, nothing is guessed.

What a run needs and the image does not say has to be given: ``tcdflow check`` says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tcdflow.config.places import conf_dir
from tcdflow.prompts.tags import as_name, unread
from tcdflow.record.settings import json_text
from tcdflow.show.experiment import lines, tree
from tcdflow.show.foreign import Said
from tcdflow.spec.scheduler import SCHEDULERS, called_elsewhere
from tcdflow.text import one_line, printable, shortened

GIVE = '"???"'
"""What Hydra takes for a value that has to be given."""

_HASHES = {"31e35c80fc": "sdxl", "6ce0161689": "sd15", "cc6cb27103": "sd15"}
"""Bases by the first ten digits of the SHA-256 of the checkpoints that they were published as."""

_NAMES = {
    "sd_xl_base_1.0": "sdxl",
    "stable-diffusion-xl-base-1.0": "sdxl",
    "stable-diffusion-xl-base-1-0": "sdxl",
    "v1-5-pruned-emaonly": "sd15",
    "stable-diffusion-v1-5": "sd15",
    "stable-diffusion-1.5": "sd15",
    "v2-1_512-ema-pruned": "sd21_base",
    "stable-diffusion-2-1-base": "sd21_base",
}
_WEIGHTS = {"AUTOMATIC1111": "a1111", "InvokeAI": "compel"}
"""The grammar of weights that a tool reads its prompts by."""

_LONGEST = 300


@dataclass
class Mapped:
    """What of an image can be said here.

    Attributes:
        settings: texts of YAML by dotted keys.
        choices: the option of each group that is chosen.
        missing: why something has to be given, by the group or key.
        notes: what is not mapped, a line each.
    """

    settings: dict[str, str] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def mapped(said: Said) -> Mapped:
    """Map what an image says."""
    found = Mapped()
    found.settings = {"prompt": json_text(said.prompt), "negative_prompt": json_text(said.negative)}
    _base(said, found)
    _loras(said, found)
    _scheduler(said, found)
    _encoding(said, found)
    numbers: Mapping[str, type] = {"steps": int, "seed": int, "width": int, "height": int, "guidance": float}
    for name, kind in numbers.items():
        if name in said.values:
            _number(f"sampling.{'guidance_scale' if name == 'guidance' else name}", said.values[name], kind, found)
    if "seed" not in said.values:
        found.notes.append("its seed is not said; sampling.seed is 0")
    _strength(said, found)
    for name, value in said.rest.items():
        found.notes.append(f"{name}: {value if isinstance(value, str) else _plain(value)}")
    found.notes = [shortened(one_line(note), _LONGEST) for note in found.notes]
    return found


def experiment(found: Mapped, about: list[str]) -> str:
    """Return an experiment file.

    Args:
        found: what could be mapped.
        about: lines on where it comes from.
    """
    chosen = found.choices | {group: GIVE for group in ("base", "scheduler") if group in found.missing}
    defaults = [
        f"  - override /{group}: {option}{_why(found, group)}" for group, option in (chosen | {"loras": "[]"}).items()
    ]
    given = {key: GIVE for key in found.missing if "." in key and key != "sampling.eta"}
    eta = found.missing.get("sampling.eta")
    text = [
        "# @package _global_",
        *(f"# {one_line(line)}" for line in about),
        "# A seed means other noise in each tool: what this makes is like the image, and not the same.",
        "defaults:",
        *defaults,
        "  - override /sampling: null  # no preset: what is not said below has to be given",
        *([f"# sampling.eta has to be given: {eta}"] if eta else []),
        *lines(tree(found.settings | given)),
        *(["# Not mapped:"] if found.notes else []),
        *(f"#   {note}" for note in found.notes),
    ]
    return printable("\n".join(text) + "\n")


def _why(found: Mapped, group: str) -> str:
    return f"  # {found.missing[group]}" if group in found.missing else ""


def _base(said: Said, found: Mapped) -> None:
    digest = (said.hash or "").lower().removeprefix("sha256:")[:10]
    stem = (said.model or "").rpartition("/")[2].rpartition("\\")[2].lower()
    for ending in (".safetensors", ".ckpt"):
        stem = stem.removesuffix(ending)
    by_name = _NAMES.get(stem) or (
        stem if (conf_dir() / "base" / f"{stem}.yaml").is_file() and stem.isidentifier() else None
    )
    called = one_line(repr(said.model)) if said.model else "a model that it does not name"
    called += f", hash {one_line(repr(said.hash))}" if said.hash else ""
    if preset := _HASHES.get(digest) or (by_name if not said.hash else None):
        found.choices["base"] = preset
        found.notes.append(f"model: {called}; base={preset} by its {'hash' if digest in _HASHES else 'name'}")
    else:
        found.missing["base"] = f"made with {shortened(called, 120)}: write base=NAME, one of tcdflow ls base"
        found.notes.append(f"model: {called}; base.source=FILE takes a checkpoint, over a base of its family")


def _loras(said: Said, found: Mapped) -> None:
    for lora in said.loras:
        name = as_name(lora.name.removesuffix(".safetensors"))
        if f"loras.{name}.weight" in found.settings:
            found.notes.append(f"a second LoRA that would be called {name}: {lora.name}")
            continue
        _number(f"loras.{name}.weight", 1 if lora.weight is None else lora.weight, float, found)
        found.missing[f"loras.{name}.source"] = "its file"
        digest = f", hash {lora.hash}" if lora.hash else ""
        found.notes.append(f"loras.{name}.source: the file of {lora.name}{digest}, a path or hub id")


def _scheduler(said: Said, found: Mapped) -> None:
    name, schedule = str(said.values.get("sampler", "")), str(said.values.get("schedule", "")).lower()
    known = called_elsewhere(name) or called_elsewhere(name.removesuffix("_k"))
    eta = said.values.get("eta")
    if known is None:
        found.missing["scheduler"] = (
            f"made with {shortened(one_line(repr(name)), 60)}: write one of tcdflow ls scheduler"
        )
        found.notes.append(f"sampler: {name}, schedule: {schedule or 'not said'}")
    else:
        own, karras = known
        karras |= name.endswith("_k") or schedule == "karras"
        found.choices["scheduler"] = own
        if karras and "use_karras_sigmas" in SCHEDULERS[own].model_fields:
            found.settings["scheduler.use_karras_sigmas"] = "true"
        elif karras or schedule not in ("", "automatic", "normal", "karras"):
            found.notes.append(f"schedule: {schedule or 'karras'}")
    if eta is not None:
        _number("sampling.eta", eta, float, found)
    elif known is not None and not SCHEDULERS[known[0]].uses_eta:
        found.settings["sampling.eta"] = "0"  # without effect
    if "sampling.eta" not in found.settings:
        found.missing["sampling.eta"] = "the noise of each step, from 0 to 1, is not said"


def _encoding(said: Said, found: Mapped) -> None:
    if weights := _WEIGHTS.get(said.tool):
        found.settings["prompt_encoding.weights"] = json.dumps(weights)
        found.settings["prompt_encoding.long"] = '"chunk"'
    else:
        texts = (said.prompt, said.negative)
        found.notes += [f"prompt: {one}" for text in texts for one in unread(text, weights="none", breaks=False)]


def _strength(said: Said, found: Mapped) -> None:
    if "strength" not in said.values or str(said.values["strength"]) in ("1", "1.0"):
        return
    found.choices["task"] = "image_to_image"
    _number("task.strength", said.values["strength"], float, found)
    found.missing["task.image"] = "the image that it was made from"
    found.notes.append("task.image: the image that it was made from, which it does not hold")


def _number(key: str, value: Any, kind: type, found: Mapped) -> None:
    """Set a key to a number; what is none stays a note."""
    try:
        number = kind(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or (isinstance(number, float) and not math.isfinite(number)):
        found.notes.append(f"{key}: {value!r} is not a number")
    else:
        found.settings[key] = repr(number)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def shown(said: Said, found: Mapped) -> Iterator[tuple[str, str]]:
    """Yield names and texts of a table of what an image says."""
    yield "made", f"by {said.tool}"
    yield "prompt", said.prompt
    if said.negative:
        yield "negative", said.negative
    yield "model", f"{said.model or 'not said'}{f' (hash {said.hash})' if said.hash else ''}"
    for lora in said.loras:
        yield "lora", f"{lora.name} ({'not said' if lora.weight is None else lora.weight})"
    yield "sampling", ", ".join(f"{name} {value}" for name, value in said.values.items())
    for note in found.notes:
        yield "not mapped", note
