"""What a model is worth: the accuracy of its images and their Fréchet distance from those it was trained on.

Accuracy: of all training images in the plain style, mirrored ones too since the first model draws them, the one
nearest to an image, both pooled to 16 × 16, has the prompt's subject. Distance: Fréchet, in the first 48 principal
components of the same pooled images, times 16: images moved by one pixel of 64 are at 1.04. The scale is not that of
the first model's card, and that model was trained on images placed otherwise: compare models by this table alone, and
the first one with care.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, StableDiffusionPipeline, TCDScheduler

from scripts.embedded_model.captions import BACKGROUNDS, COLOURS, STYLES, Subject, View, subjects
from scripts.embedded_model.images import Icons, Pixels
from tcdflow import embedded
from tcdflow.evaluate.distance import Array, Components, Gaussian, frechet, nearest

_POOLED: Final = 16
_DIMENSIONS: Final = 48
_BATCH: Final = 30


@dataclass(frozen=True)
class Way:
    """A way of sampling.

    Attributes:
        name: as the table has it.
        scheduler: of diffusers.
        steps: of the sampler.
        guidance: classifier-free; above 1 it doubles the calls.
        eta: of TCD.
        lora: whether the TCD-LoRA is on.
    """

    name: str
    scheduler: Any
    steps: int
    guidance: float = 0.0
    eta: float = 0.3
    lora: bool = True


_DDIM: Final = {"timestep_spacing": "trailing"}
WAYS: Final = (
    Way("teacher, DDIM 50 steps, guidance 4", DDIMScheduler, 50, 4.0, 0.0, lora=False),
    Way("teacher, DDIM 4 steps, guidance 4", DDIMScheduler, 4, 4.0, 0.0, lora=False),
    Way("teacher, DPM-Solver++ 4 steps, guidance 4", DPMSolverMultistepScheduler, 4, 4.0, 0.0, lora=False),
    Way("teacher, DPM-Solver++ 2 steps, guidance 4", DPMSolverMultistepScheduler, 2, 4.0, 0.0, lora=False),
    Way("teacher, DDIM 4 steps, no guidance", DDIMScheduler, 4, 0.0, 0.0, lora=False),
    Way("teacher, DDIM 1 step, guidance 4", DDIMScheduler, 1, 4.0, 0.0, lora=False),
    Way("TCD 1 step, eta 0.3", TCDScheduler, 1),
    Way("TCD 2 steps, eta 0.3", TCDScheduler, 2),
    Way("TCD 4 steps, eta 0.3", TCDScheduler, 4),
    Way("TCD 8 steps, eta 0.3", TCDScheduler, 8),
    Way("TCD 16 steps, eta 0.3", TCDScheduler, 16),
    Way("TCD 4 steps, eta 0", TCDScheduler, 4, eta=0.0),
    Way("TCD 4 steps, eta 1", TCDScheduler, 4, eta=1.0),
)


def pooled(images: Sequence[npt.NDArray[Any]]) -> Array:
    """Return images, square and of values in [0, 1], as rows of 16 × 16 × 3 numbers."""
    rows = []
    for image in images:
        width = image.shape[0] // _POOLED
        rows.append(image.reshape(_POOLED, width, _POOLED, width, 3).mean((1, 3)).ravel())
    return np.stack(rows).astype(np.float64)


class Judge:
    """The training images, to hold others against.

    Args:
        icons: the rendered icons.
        known: the subjects that are asked for.
    """

    def __init__(self, icons: Icons, known: Sequence[Subject]) -> None:
        """Pool the images of all subjects on all backgrounds."""
        views = [View(subject, STYLES[0], None, ground) for subject in known for ground in BACKGROUNDS]
        self._subjects = [view.subject for view in views]
        self._rows = pooled([icons.image(view) for view in views])
        mirrored = self._rows.reshape(-1, _POOLED, _POOLED, 3)[:, :, ::-1].reshape(self._rows.shape)
        self._either_way = np.concatenate([self._rows, mirrored])
        self._project = Components.of(self._rows, _DIMENSIONS)

    def accuracy(self, rows: Array, wanted: Sequence[Subject]) -> float:
        """Return the share of images whose nearest training image has the wanted subject."""
        near = nearest(rows, self._either_way) % len(self._subjects)
        return float(np.mean([self._subjects[n] == one for n, one in zip(near, wanted, strict=True)]))

    def distance(self, rows: Array) -> float:
        """Return the Fréchet distance from the training images, in their principal components."""
        return _POOLED * frechet(Gaussian.of(self._project(rows)), Gaussian.of(self._project(self._rows)))


class Model:
    """A pipeline with its LoRA."""

    def __init__(self, folder: Path, lora: Path | None) -> None:
        """Load both."""
        self.pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        self.pipe.set_progress_bar_config(disable=True)
        self._config = self.pipe.scheduler.config
        self.has_lora = lora is not None
        if lora is not None:
            self.pipe.load_lora_weights(lora, adapter_name="tcd")

    def images(self, prompts: Sequence[str], way: Way, seed: int = 0) -> list[Pixels]:
        """Return an image of values in [0, 1] for each prompt; the next prompt has the next seed."""
        spacing = _DDIM if way.scheduler is DDIMScheduler else {}
        self.pipe.scheduler = way.scheduler.from_config(self._config, **spacing)
        if self.has_lora:
            (self.pipe.enable_lora if way.lora else self.pipe.disable_lora)()
        made: list[Pixels] = []
        for start in range(0, len(prompts), _BATCH):
            some = list(prompts[start : start + _BATCH])
            generators = [torch.Generator().manual_seed(seed + start + n) for n in range(len(some))]
            arguments = {"num_inference_steps": way.steps, "guidance_scale": way.guidance, "eta": way.eta}
            made += list(self.pipe(some, generator=generators, output_type="np", **arguments).images)
        return made


def table(model: Model, icons: Icons, ways: Sequence[Way] = WAYS) -> str:
    """Return the accuracy and distance of the first model's 210 subjects, as rows of Markdown."""
    known = [subject for subject in subjects() if subject.name in embedded.vocabulary("emoji").subjects]
    judge, grounds = Judge(icons, known), list(BACKGROUNDS)
    views = [View(subject, STYLES[0], None, grounds[n % len(grounds)]) for n, subject in enumerate(known)]
    lines = ["| | UNet calls | accuracy | FD |", "|---|---|---|---|"]
    for way in ways:
        if way.lora and not model.has_lora:
            continue
        rows = pooled(model.images([view.plain() for view in views], way))
        calls = way.steps * (2 if way.guidance > 1 else 1)
        right = judge.accuracy(rows, known)
        lines.append(f"| {way.name} | {calls} | {right:.3f} | {judge.distance(rows):.2f} |")
    return "\n".join(lines)


def colours(model: Model, icons: Icons, way: Way) -> str:
    """Return the share of coloured subjects whose nearest coloured training image has subject, colour, and both."""
    known = [subject for subject in subjects() if len(subject.colours()) == len(COLOURS)]
    wanted = [View(one, STYLES[0], list(COLOURS)[n % len(COLOURS)], "white") for n, one in enumerate(known)]
    views = [View(one, STYLES[0], colour, "white") for one in known for colour in (None, *COLOURS)]
    there, made = pooled([icons.image(view) for view in views]), pooled(model.images([v.plain() for v in wanted], way))
    pairs = list(zip([views[number] for number in nearest(made, there)], wanted, strict=True))
    subject = np.mean([a.subject == b.subject for a, b in pairs])
    colour = np.mean([a.colour == b.colour for a, b in pairs])
    both = np.mean([a.subject == b.subject and a.colour == b.colour for a, b in pairs])
    return f"{len(pairs)} coloured subjects: subject {subject:.2f}, colour {colour:.2f}, both {both:.2f}"


def wordings(model: Model, icons: Icons, way: Way) -> str:
    """Return the accuracy of each wording, over every third subject."""
    known, lines = subjects()[::3], []
    judge = Judge(icons, known)
    for text in ("a {}", "the {}", "{}", "picture of a {}", "a {} emoji", "a {} on a green background"):
        rows = pooled(model.images([text.format(subject.name) for subject in known], way))
        lines.append(f"{text.format('X')!r} {judge.accuracy(rows, known):.2f}")
    return f"{len(known)} subjects, accuracy by wording: {', '.join(lines)}"
