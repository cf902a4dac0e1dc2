"""What is compared: conditions, which are all settings but prompt and seed, each with sets of images.

A set is an image of each prompt. Set number n has, of each prompt, the image of the n-th seed, so conditions are
compared on the same prompts, and the spread over sets says how much chance there is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from tcdflow.errors import ConfigError, RecordError
from tcdflow.gallery.axes import label, telling
from tcdflow.gallery.images import Shown
from tcdflow.gallery.runs import Run
from tcdflow.gallery.values import unknown
from tcdflow.record import document
from tcdflow.record.key import effect
from tcdflow.spec.model import RunSpec
from tcdflow.text import about, counted, joined

_VARIED = ("prompt", "sampling.seed", "sampling.num_images")
"""What is averaged over."""
_WRITTEN = ("output.format", "output.quality", "output.animation")
"""What changes the pixels of a file after they are made."""
_SHOWN = 3
_LONGEST = 160

Sets = Sequence[Sequence[Shown]]


@dataclass(frozen=True)
class Condition:
    """Settings that are compared.

    Attributes:
        label: what tells it from the other conditions.
        settings: those that vary between conditions, as JSON texts.
        unet_calls: evaluations of the UNet that one image takes: guidance makes two of each step.
        sets: of its images, equal in length.
    """

    label: str
    settings: dict[str, str]
    unet_calls: int
    sets: Sets


@dataclass(frozen=True)
class Compared:
    """Conditions with images of the same prompts.

    Attributes:
        conditions: the cheapest first.
        prompts: of each set, in order.
        warnings: what is left out.
    """

    conditions: Sequence[Condition]
    prompts: Sequence[str]
    warnings: Sequence[str]

    @property
    def sets(self) -> int:
        """How many sets each condition has."""
        return len(self.conditions[0].sets)


def compared(images: Iterable[Shown], over: Sequence[str] = ()) -> Compared:
    """Return the conditions of images.

    Args:
        images: of runs; those that are not there have their place.
        over: further keys that are averaged over, such as that of an input image of each prompt.

    Raises:
        ConfigError: if a key is no setting of the runs.
        RecordError: if there is no prompt of which each condition has an image, or a record says no settings.
    """
    images = of_runs(images)
    check_over(images, over)
    there, lacking = grouped(images, over)
    if not there:
        raise RecordError("there is no image of a run to evaluate (of a distillation: sweep over its LoRA)")
    cases, ranks, warnings = _common(there)
    if lacking:
        warnings.append(f"{counted(lacking, 'condition')} left out: no image is there")
    settings = _varying(there, over)
    conditions = []
    for found, own, said in zip(there, settings, _labels(settings), strict=True):
        ordered = {case: [found[case][seed] for seed in sorted(found[case])] for case in cases}
        sets = [[ordered[case][rank] for case in cases] for rank in ranks]
        conditions.append(Condition(said, own, _unet_calls(sets[0][0].run), sets))
    prompts = [str(json.loads(one.run.settings["prompt"])) for one in conditions[0].sets[0]]
    warnings += _same_labels(conditions)
    return Compared(sorted(conditions, key=lambda one: (one.unet_calls, one.label)), prompts, warnings)


def of_runs(images: Iterable[Shown]) -> list[Shown]:
    """Return the images of runs, without those of distillations and of records without settings."""
    return [image for image in images if image.run.again and "prompt" in image.run.settings]


def check_over(images: Sequence[Shown], over: Sequence[str]) -> None:
    """Say so if what is to be averaged over is no setting.

    Raises:
        ConfigError: naming each key that is none.
    """
    known = dict.fromkeys(key for image in images for key in image.run.settings) if over else {}
    if wrong := [key for key in over if key not in known]:
        raise ConfigError([unknown("--over", key, list(known), "is no setting of these runs") for key in wrong])


Places = dict[str, dict[int, Shown]]
"""The images of a condition, or their places, by case and seed."""


def grouped(images: Iterable[Shown], over: Sequence[str] = ()) -> tuple[list[Places], int]:
    """Return the places of each condition with an image, and how many conditions have none.

    Args:
        images: of runs.
        over: further keys that are averaged over.
    """
    varied = (*_VARIED, *over)
    groups: dict[tuple[object, ...], dict[tuple[object, ...], list[Shown]]] = {}
    for image in images:
        # Files of the same name may have other bytes by now, so hashes tell conditions apart, too.
        files = tuple((role, sha256) for role, sha256 in image.run.files if role not in varied)
        groups.setdefault(_settings(image.run, varied), {}).setdefault(files, []).append(image)
    there, lacking = [], 0
    for found in groups.values():
        unmade = found.pop((), []) if len(found) > 1 else []  # cells without a record say no files
        for shown in _parted([(*one, *unmade) for one in found.values()], over):
            places: Places = {}
            for image in shown:
                seed = seed_of(image)
                seeds = places.setdefault(case_of(image.run, over), {})
                if seed not in seeds or seeds[seed].output is None:  # a run that was made twice
                    seeds[seed] = image
            if any(map(_done, places.values())):
                there.append(places)
            else:
                lacking += 1
    return there, lacking


def _settings(run: Run, varied: Sequence[str]) -> tuple[object, ...]:
    """Return the settings that images of one condition share."""
    return tuple((key, text) for key, text in run.settings.items() if _counts(key, varied))


def _counts(key: str, varied: Sequence[str]) -> bool:
    return key not in varied and effect(key) in ("pixels", "files")


def _is_how(key: str) -> bool:
    """Say whether a key says how an image is computed or written, and is not in the run key."""
    return key in _WRITTEN or effect(key) == "bits"


def apart(run: Run, other: Run) -> set[str]:
    """Return the settings by which two runs are computed or written in other ways; what one does not say is none."""
    mine, theirs = run.settings, other.settings
    return {key for key in mine.differing(theirs) if key in mine and key in theirs and _is_how(key)}


def _parted(groups: Iterable[Sequence[Shown]], over: Sequence[str]) -> Iterator[list[Shown]]:
    """Part images of the same prompt and seed that are computed or written in other ways.

    Where no two are of the same prompt and seed they stay together: machines share the prompts of one condition.
    """
    for images in groups:
        first: dict[tuple[str, int], Run] = {}
        keys: set[str] = set()
        for image in images:
            keys |= apart(first.setdefault((case_of(image.run, over), seed_of(image)), image.run), image.run)
        parts: dict[tuple[str | None, ...], list[Shown]] = {}
        for image in images:
            parts.setdefault(tuple(image.run.settings.get(key) for key in sorted(keys)), []).append(image)
        yield from parts.values()


def case_of(run: Run, over: Sequence[str]) -> str:
    """Return what the images of a set differ in: the prompt, and what else is averaged over."""
    return "\n".join(run.settings.get(key, "null") for key in ("prompt", *over))


def seed_of(image: Shown) -> int:
    """Return the seed of an image; one that is not known is its number in its run, below 0."""
    return image.seed if image.seed is not None else -1 - image.number


def labels(groups: Sequence[Places], over: Sequence[str] = ()) -> list[str]:
    """Return what tells conditions apart."""
    return _labels(_varying(groups, over))


def _done(seeds: dict[int, Shown]) -> list[int]:
    """Return the ranks of the seeds whose images are there."""
    return [rank for rank, seed in enumerate(sorted(seeds)) if seeds[seed].output is not None]


def _common(all_of_them: Sequence[Places]) -> tuple[list[str], list[int], list[str]]:
    """Return the prompts and the numbers of seeds of which every condition has an image: as many as there can be.

    Raises:
        RecordError: if there are none.
    """
    asked = dict.fromkeys(case for found in all_of_them for case in found)
    most = max(len(seeds) for found in all_of_them for seeds in found.values())
    there = {case: set(range(most)) for case in asked}
    for found in all_of_them:
        for case in asked:
            there[case] &= set(_done(found.get(case, {})))
    ranks = sorted(range(most), key=lambda rank: (-sum(rank in found for found in there.values()), rank))
    choices = []
    for count in range(1, most + 1):
        cases = [case for case in asked if there[case].issuperset(ranks[:count])]
        choices.append((count * len(cases), len(cases), cases, sorted(ranks[:count])))
    size, _, cases, chosen = max(choices, key=lambda choice: choice[:2])
    if not size:
        what = "no prompt has an image in each of them; they differ in more than is compared on the same prompts"
        raise RecordError(f"{counted(len(all_of_them), 'condition')}, and {what}")
    warnings = []
    if lost := [case for case in asked if case not in cases]:
        some = ", ".join(repr(joined(json.loads(case.partition("\n")[0]), 40)) for case in lost[:_SHOWN])
        more = ", ..." if len(lost) > _SHOWN else ""
        warnings.append(f"{counted(len(lost), 'prompt')} left out, not there in all conditions and sets: {some}{more}")
    if most > len(chosen):
        warnings.append(f"{counted(most - len(chosen), 'seed set')} left out: not there in all conditions")
    return cases, chosen, warnings


def _varying(groups: Sequence[Places], over: Sequence[str]) -> list[dict[str, str]]:
    """Return the settings of conditions in which they differ."""
    varied = (*_VARIED, *over)
    runs = [next(image for seeds in places.values() for image in seeds.values()).run for places in groups]
    settings = _differing([{key: text for key, text in run.settings.items() if _counts(key, varied)} for run in runs])
    if all(settings.count(one) == 1 for one in settings):
        return settings
    hows = _differing(
        [{key: text for key, text in run.settings.items() if key not in varied and _is_how(key)} for run in runs]
    )
    return [one | how if settings.count(one) > 1 else one for one, how in zip(settings, hows, strict=True)]


def _differing(settings: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return what is not the same in all of these."""
    keys = dict.fromkeys(key for one in settings for key in one)
    kept = [key for key in keys if len({one.get(key, "null") for one in settings}) > 1]
    return [{key: one[key] for key in kept if key in one} for one in settings]


def _labels(settings: Sequence[dict[str, str]]) -> list[str]:
    """Return what a person tells conditions by: what varies and is set, of a preset what tells most."""
    keys = dict.fromkeys(key for one in settings for key in one)
    shown = telling({key: [one.get(key, "null") for one in settings] for key in keys})
    labels = []
    for one in settings:
        values = {_short(key): json.loads(one[key]) for key in shown if key in one}
        said = " ".join(f"{name}={label(value)}" for name, value in values.items() if value not in (None, [], {}))
        labels.append(joined(said, _LONGEST) or "all images")
    return labels


def _short(key: str) -> str:
    """Return a key as a label has it: ``steps``, ``tcd.weight``, ``scheduler``."""
    part, _, rest = key.partition(".")
    if part in ("loras", "adapters", "embeddings"):
        return rest
    return part if rest in ("name", "source") else key.rpartition(".")[2]


def _same_labels(conditions: Sequence[Condition]) -> list[str]:
    labels = [one.label for one in conditions]
    same = dict.fromkeys(label for label in labels if labels.count(label) > 1)
    return [f"several conditions are '{label}': they differ in more, or in the bytes of their files" for label in same]


def _unet_calls(run: Run) -> int:
    """Return how often the UNet is evaluated for an image of a run."""
    try:
        spec = RunSpec.model_validate(document.read(run.directory).spec)
    except ValidationError as error:
        reason = f"its settings are none: {error.errors()[0]['msg']}"
        raise RecordError(about(run.directory, reason)) from None
    return spec.denoiser_calls * spec.family.guidance_cost(spec)
