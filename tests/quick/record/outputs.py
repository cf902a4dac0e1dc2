"""Images, specs and directories for the tests of what a run writes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from tcdflow.files.lock import LockedFile
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.spec.formats import ANIMATION_FORMATS, IMAGE_FORMATS
from tcdflow.spec.model import BaseModelSpec, RunSpec, SamplingSpec
from tcdflow.spec.output import OutputSpec
from tcdflow.spec.scheduler import SCHEDULERS

LOCK = (
    LockedFile(role="base", source="hub", revision="c0ffee", file="unet/a.safetensors", size=3, sha256="ab" * 32),
    LockedFile(role="loras.tcd", source="hub", revision=None, file="b.safetensors", size=4, sha256="cd" * 32),
)
STILLS: dict[str, dict[str, Any]] = {
    **{name: {"format": name} for name in IMAGE_FORMATS},
    "jpeg at 60": {"format": "jpeg", "quality": 60},
    "webp without loss": {"format": "webp", "quality": 100},
}
MOVING: dict[str, dict[str, Any]] = {
    **{name: {"animation": name} for name in ANIMATION_FORMATS},
    "webp without loss": {"animation": "webp", "quality": 100},
}


def a_spec(output: dict[str, Any] | None = None, prompt: str = "a fox, 狐 🦊 \u202e") -> RunSpec:
    return RunSpec(
        prompt=prompt,
        negative_prompt="blurry",
        base=BaseModelSpec(family="emoji", source="embedded:emoji", size=64),
        scheduler=SCHEDULERS["tcd"](name="tcd"),
        sampling=SamplingSpec(steps=4, eta=0.3, guidance_scale=0.0, seed=7),
        output=OutputSpec(**(output or {})),
    )


@functools.cache
def an_image(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A smooth image with more than 256 colours, each seed another one."""
    x = Image.linear_gradient("L").rotate(90).resize(size)
    y = Image.linear_gradient("L").resize(size)
    base = Image.merge("RGB", (x, y, ImageChops.add(x, y, 2)))
    return ImageChops.offset(base, 5 * seed, 3 * seed)


def an_animation(count: int = 6, seed: int = 7, size: tuple[int, int] = (64, 64)) -> Sample:
    return Sample(tuple(an_image(n, size) for n in range(count)), seed, animated=True)


def write(directory: Path, spec: RunSpec, made: list[Sample], inputs: dict[str, Image.Image] | None = None) -> Record:
    with RunDirectory.open(directory, spec) as run:
        run.lock(LOCK)
        run.save(made, inputs)
    return document.read(directory)


def durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            found.append(image.info["duration"])
        return found
