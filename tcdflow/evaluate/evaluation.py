"""An evaluation: each condition's distance from a reference, as mean and spread over its seed sets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from tcdflow.evaluate.conditions import Compared, Condition
from tcdflow.evaluate.distance import Array, Components, Gaussian, frechet, nearest
from tcdflow.evaluate.features import Chosen, of_shown
from tcdflow.evaluate.reference import Reference, caption
from tcdflow.gallery.images import Shown
from tcdflow.gallery.measured import name_of
from tcdflow.gallery.numbers import EVALUATED
from tcdflow.spec.metrics import metric_of

FRECHET, ACCURACY = "frechet", "accuracy"
_FEW = 32
"""Images of a set below which the distance says little."""
_DIGITS = 5
"""That count: later ones differ from machine to machine."""

OnDone = Callable[[str, int, int], None]
"""Is told of what, of how many images, how many are done."""


@dataclass(frozen=True)
class Measured:
    """A condition with its numbers.

    Attributes:
        condition: what was measured.
        sets: numbers of each set, by name.
        best: names of the numbers in which no condition of as many UNet calls is better beyond both spreads.
    """

    condition: Condition
    sets: Sequence[Mapping[str, float]]
    best: frozenset[str] = frozenset()

    @property
    def means(self) -> dict[str, float]:
        """Mean over the sets, by name of what all of them have."""
        return {name: fmean(one[name] for one in self.sets) for name in self._shared}

    @property
    def spreads(self) -> dict[str, float]:
        """Standard deviation over the sets, by name; none where there is one set, or one number for several of them."""
        names = [name for name in self._shared if name not in self._of_several]
        return {name: stdev(one[name] for one in self.sets) for name in names} if len(self.sets) > 1 else {}

    @property
    def _of_several(self) -> set[str]:
        """Numbers that runs have as means over their images, which stand in several sets."""
        runs = [image.run for images in self.condition.sets for image in images if len(image.run.outputs) > 1]
        return {name for run in runs for name in run.metrics if name not in run.each and not name.startswith(EVALUATED)}

    @property
    def _shared(self) -> list[str]:
        return [name for name in self.sets[0] if all(name in one for one in self.sets)]


@dataclass(frozen=True)
class Evaluation:
    """All of it.

    Attributes:
        compared: the conditions, and what was left out.
        reference: that they were held against; None without.
        features: that the distance was computed on.
        rows: numbers of each condition, in order.
        right: of each image that has a caption to be right by, whether it is, by features and :func:`name_of` its run.
        warnings: what is to be known of it.
    """

    compared: Compared
    reference: Reference | None
    features: Sequence[Chosen]
    rows: Sequence[Measured]
    right: Mapping[str, Mapping[str, Sequence[bool]]]
    warnings: Sequence[str]

    def of_runs(self) -> dict[str, dict[str, float]]:
        """Return what the gallery shows of each run: its condition's distance, its own accuracy.

        They are by run key; where several runs have one key, by :func:`name_of`.
        """
        found: dict[str, dict[str, float]] = {}
        for row in self.rows:
            distances = {name: rounded(mean) for name, mean in row.means.items() if name.startswith(FRECHET)}
            found |= {
                name_of(image.run): dict(distances)
                for images in row.condition.sets
                for image in images
                if image.run.key
            }
        for name, runs in self.right.items():
            for run, hits in runs.items():
                found[run][f"{ACCURACY}_{name}"] = rounded(fmean(hits))
        keys = Counter(run.partition("-")[0] for run in found)
        return {run if keys[key] > 1 else key: found[run] for run in found for key in [run.partition("-")[0]]}


def lower_is_better(name: str) -> bool:
    """Say whether a smaller number is better."""
    metric = metric_of(name)
    return metric.better == "lower" if metric is not None else name.startswith(FRECHET)


def evaluate(
    compared: Compared,
    reference: Reference | None,
    features: Sequence[Chosen],
    on_done: OnDone = lambda what, done, total: None,
) -> Evaluation:
    """Evaluate conditions.

    Args:
        compared: the conditions.
        reference: None measures what needs none.
        features: to compute distances on.
        on_done: is told how far it is.

    Raises:
        RequestError: if an image cannot be read, or a model not be loaded.
    """
    numbers: dict[int, list[dict[str, float]]] = {
        place: [_metrics(images) for images in one.sets] for place, one in enumerate(compared.conditions)
    }
    warnings, right = list(compared.warnings), {}
    if reference is not None:
        warnings += _about(compared, reference)
        for one in features:
            distances = _Distances(one, reference, compared, on_done)
            distances.add(numbers)
            right[one.name] = distances.right
    rows = [Measured(one, numbers[place]) for place, one in enumerate(compared.conditions)]
    rows = [Measured(row.condition, row.sets, _best(row, rows)) for row in rows]
    return Evaluation(compared, reference, features, rows, right, warnings)


class _Distances:
    """The distances of all sets on one kind of features."""

    def __init__(self, features: Chosen, reference: Reference, compared: Compared, on_done: OnDone) -> None:
        self._name = features.name
        self._compared = compared
        self._captions = [caption(text) for text in reference.captions]
        self._known = {text for text in self._captions if text}
        self.right: dict[str, list[bool]] = {}
        self._prompts = [caption(prompt) for prompt in compared.prompts]
        sources = [of_shown(image) for one in compared.conditions for images in one.sets for image in images]
        done, total = 0, len(sources) + len(reference.images)

        def more(count: int) -> None:
            nonlocal done
            done += count
            on_done(self._name, done, total)

        found = features.of([*reference.images, *sources], more)
        self._reference, self._found = found[: len(reference.images)], found[len(reference.images) :]
        count = features.part.components
        self._project = Components.of(self._reference, count) if count else None
        self._gaussian = Gaussian.of(self._projected(self._reference))

    def add(self, numbers: Mapping[int, list[dict[str, float]]]) -> None:
        """Add the distance of each set, and its accuracy where captions tell."""
        size, start = len(self._prompts), 0
        for place, condition in enumerate(self._compared.conditions):
            for number in range(len(condition.sets)):
                rows = self._found[start : start + size]
                start += size
                into = numbers[place][number]
                if size > 1:
                    into[f"{FRECHET}_{self._name}"] = frechet(Gaussian.of(self._projected(rows)), self._gaussian)
                if right := self._right(rows, condition.sets[number]):
                    into[f"{ACCURACY}_{self._name}"] = fmean(right)

    def _projected(self, rows: Array) -> Array:
        return self._project(rows) if self._project else rows

    def _right(self, rows: Array, images: Sequence[Shown]) -> list[bool]:
        """Return for the images whose prompt is a caption whether the nearest image of the reference has it."""
        found = []
        for near, prompt, image in zip(nearest(rows, self._reference), self._prompts, images, strict=True):
            if prompt in self._known:
                found.append(self._captions[near] == prompt)
                if image.run.key:
                    self.right.setdefault(name_of(image.run), []).append(found[-1])
        return found


def _metrics(images: Sequence[Shown]) -> dict[str, float]:
    """Return the means of what was measured, as far as all images have it."""
    numbers = [image.metrics for image in images]
    shared = set(numbers[0]).intersection(*numbers)
    return {name: fmean(one[name] for one in numbers) for name in numbers[0] if name in shared}


def _about(compared: Compared, reference: Reference) -> list[str]:
    """Return what is to be known of a reference."""
    said = []
    size = len(compared.prompts)
    if size == 1:
        said.append("sets of one image have no Fréchet distance: sweep over prompts (sweep.prompts_from)")
    elif size < _FEW:
        said.append(f"sets of {size} images: the Fréchet distance of so few says little, and only among themselves")
    captions = {caption(text) for text in reference.captions if text}
    unknown = sum(caption(prompt) not in captions for prompt in compared.prompts)
    if captions and 0 < unknown < size:
        said.append(f"accuracy is over the {size - unknown} of {size} prompts that the reference has images of")
    keys = {one.key for one in reference.images}
    own = [
        one.label
        for one in compared.conditions
        if all(of_shown(image).key in keys for images in one.sets for image in images)
    ]
    said += [f"'{label}' is (part of) the reference itself: its numbers say nothing" for label in own]
    return said


def _best(row: Measured, rows: Sequence[Measured]) -> frozenset[str]:
    """Return the names of the numbers in which no other condition of as many UNet calls is better beyond the spread."""
    rivals = [other for other in rows if other.condition.unet_calls == row.condition.unet_calls and other is not row]
    if not rivals:
        return frozenset()
    mine, my_spreads = row.means, row.spreads
    best = set()
    for name, mean in mine.items():
        sign = 1 if lower_is_better(name) else -1
        behind = [
            sign * (mean - other.means[name]) > math.hypot(my_spreads.get(name, 0.0), other.spreads.get(name, 0.0))
            for other in rivals
            if name in other.means
        ]
        if not any(behind):
            best.add(name)
    return frozenset(best)


def rounded(value: float) -> float:
    """Return a number with the digits that count."""
    return float(f"{value:.{_DIGITS}g}")
