"""What ``tcdflow evaluate`` does not say of a model: whether colours bind to the subject, and which wordings work.

An image shows what the training image nearest to it shows, both pooled to 16 × 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, TCDScheduler

from scripts.embedded_model.captions import BACKGROUNDS, COLOURS, STYLES, View, subjects
from scripts.embedded_model.images import Icons, Pixels
from tcdflow.evaluate.distance import Array, nearest

_POOLED: Final = 16
_BATCH: Final = 32
_WORDINGS: Final = ("a {}", "the {}", "{}", "picture of a {}", "a {} emoji", "a {} on a green background")


def pooled(images: Sequence[npt.NDArray[Any]]) -> Array:
    """Return images, square and of values in [0, 1], as rows of 16 × 16 × 3 numbers."""
    rows = []
    for image in images:
        width = image.shape[0] // _POOLED
        rows.append(image.reshape(_POOLED, width, _POOLED, width, 3).mean((1, 3)).ravel())
    return np.stack(rows).astype(np.float64)


class Model:
    """A pipeline, sampled in four steps with its TCD-LoRA, or by DDIM in eight with guidance 4 without one."""

    def __init__(self, folder: Path, lora: Path | None) -> None:
        """Load both."""
        self._pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        self._pipe.set_progress_bar_config(disable=True)
        if lora is not None:
            self._pipe.load_lora_weights(lora)
            self._pipe.scheduler = TCDScheduler.from_config(self._pipe.scheduler.config)
            self._how = {"num_inference_steps": 4, "guidance_scale": 0.0, "eta": 0.3}
        else:
            self._pipe.scheduler = DDIMScheduler.from_config(self._pipe.scheduler.config, timestep_spacing="trailing")
            self._how = {"num_inference_steps": 8, "guidance_scale": 4.0, "eta": 0.0}

    def images(self, prompts: Sequence[str]) -> list[Pixels]:
        """Return an image of values in [0, 1] for each prompt; the next prompt has the next seed."""
        made: list[Pixels] = []
        for start in range(0, len(prompts), _BATCH):
            some = list(prompts[start : start + _BATCH])
            generators = [torch.Generator().manual_seed(start + n) for n in range(len(some))]
            made += list(self._pipe(some, generator=generators, output_type="np", **self._how).images)
        return made


def colours(model: Model, icons: Icons) -> str:
    """Return the share of coloured subjects whose nearest coloured training image has subject, colour, and both."""
    known = [subject for subject in subjects() if len(subject.colours()) == len(COLOURS)]
    wanted = [View(one, STYLES[0], list(COLOURS)[n % len(COLOURS)], "white") for n, one in enumerate(known)]
    views = [View(one, STYLES[0], colour, "white") for one in known for colour in (None, *COLOURS)]
    there, made = pooled([icons.image(view) for view in views]), pooled(model.images([v.plain() for v in wanted]))
    pairs = list(zip([views[number] for number in nearest(made, there)], wanted, strict=True))
    subject = np.mean([a.subject == b.subject for a, b in pairs])
    colour = np.mean([a.colour == b.colour for a, b in pairs])
    both = np.mean([a.subject == b.subject and a.colour == b.colour for a, b in pairs])
    return f"{len(pairs)} coloured subjects: subject {subject:.2f}, colour {colour:.2f}, both {both:.2f}"


def wordings(model: Model, icons: Icons) -> str:
    """Return the share of right subjects by wording, over every third subject."""
    known, shares = subjects()[::3], []
    views = [View(subject, STYLES[0], None, ground) for subject in known for ground in BACKGROUNDS]
    there = pooled([icons.image(view) for view in views])
    for text in _WORDINGS:
        made = pooled(model.images([text.format(subject.name) for subject in known]))
        right = [views[number].subject == one for number, one in zip(nearest(made, there), known, strict=True)]
        shares.append(f"{text.format('X')!r} {np.mean(right):.2f}")
    return f"{len(known)} subjects, right by wording: {', '.join(shares)}"
