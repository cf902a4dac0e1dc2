"""Metrics that are asked for: chosen by name, with the model that one takes, and ready to measure images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tcdflow.errors import ConfigError, Problem, RequestError, SourceError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.lock import LockedFile
from tcdflow.files.model import named_model
from tcdflow.files.opened import opened
from tcdflow.files.pins import FREE, Pins
from tcdflow.files.resolve import Progress
from tcdflow.files.resolver import problem
from tcdflow.pipeline import cublas
from tcdflow.spec.metrics import METRICS, ImageMetric, Scorer
from tcdflow.spec.nearest import nearest
from tcdflow.text import any_of

KEY = "metric"
_NAMES = "metrics of images are {}"
_ELSEWHERE = {
    "lpips": "is not there: its networks come with torchvision, which tcdflow does without; psnr and ssim are",
    "imagereward": "is not there: it is no CLIPModel of transformers; pickscore is",
    "fid": "is a number of sets of images: tcdflow evaluate DIR --reference DIR",
}
"""What people ask for, and what to do instead."""


@dataclass(frozen=True)
class Chosen:
    """A metric of images, with the files of its model.

    Attributes:
        column: name of its numbers: the metric's, and the model's if another was named than the metric's own.
        metric: that measures.
        source: of its model, as it was given; None where it takes none.
        artifact: of its model.
        files: of it, with their hashes.
    """

    column: str
    metric: ImageMetric
    source: str | None = None
    artifact: Artifact | None = None
    files: tuple[LockedFile, ...] = ()

    @property
    def identity(self) -> str:
        """Hash of what its numbers depend on beside images and prompts."""
        files = (f"{file.file} {file.sha256}" for file in self.files)
        words = (type(self.metric).__name__, str(self.metric.version), *files)
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def load(self, device: str | None = None) -> Scorer:
        """Load it.

        Args:
            device: where its model computes, as torch names it; None for a GPU if there is one.

        Raises:
            RequestError: if a package is not installed, or its files hold no such model.
        """
        if self.artifact is None:
            return self.metric.load(None, device)
        with opened(Artifacts.of([self.artifact])) as there:
            scorer = self.metric.load(next(iter(there)).path, device)
        cublas.of_this_process.used()
        return scorer


def choose(words: Sequence[str], progress: Progress, key: str = KEY, pins: Pins = FREE) -> list[Chosen]:
    """Return metrics by their names, ``psnr``, or with a model, ``clip=MODEL``, which is downloaded.

    Args:
        words: what was asked for.
        progress: of downloads.
        key: what named them, for messages.
        pins: what is known of the models' files beforehand.

    Raises:
        ConfigError: naming each that is wrong, or each file that is not as pinned.
    """
    found: dict[str, Chosen] = {}
    problems: list[Problem] = []
    for word, metric in known_metrics(words, key).items():
        try:
            one = _with_model(word, metric, progress, pins)
        except SourceError as error:
            source = word.partition("=")[2] or metric.model or ""
            hint = f"; {word}=FOLDER takes one that is here" if "=" not in word else ""
            problems.append(Problem(key, f"{word.partition('=')[0]}: {problem(key, source, error).what}{hint}"))
            continue
        if one.column in found:
            problems.append(Problem(key, f"'{word}' would be another '{one.column}': measure one after the other"))
        found[one.column] = one
    if problems:
        raise ConfigError(problems)
    return list(found.values())


def known_metrics(words: Sequence[str], key: str = KEY) -> dict[str, ImageMetric]:
    """Return the metrics that words name, by word.

    Raises:
        ConfigError: naming each that is none, takes no model, or needs a package that is not installed.
    """
    problems, metrics = [], {}
    for word in dict.fromkeys(words):
        try:
            metrics[word] = _metric(word)
        except RequestError as error:
            name = word.partition("=")[0]
            unknown = name not in METRICS and name.lower() not in _ELSEWHERE
            near = nearest(name, image_metrics()) if unknown else None
            problems.append(Problem(key, str(error), word, nearest=near))
    if problems:
        raise ConfigError(problems)
    return metrics


def image_metrics() -> list[str]:
    """Return the names of the metrics of images."""
    return [name for name, metric in METRICS.items() if isinstance(metric, ImageMetric)]


def _metric(word: str) -> ImageMetric:
    """Return the metric that a word names.

    Raises:
        RequestError: if there is none, it takes no model, or a package is not installed.
    """
    name, equals, source = word.partition("=")
    if name not in METRICS and name.lower() in _ELSEWHERE:
        raise RequestError(_ELSEWHERE[name.lower()])
    if name not in METRICS:
        raise RequestError(f"is not a metric; {_NAMES.format(any_of(image_metrics()))}")
    metric = METRICS[name]
    if not isinstance(metric, ImageMetric):
        raise RequestError(f"is in the record of each run already; {_NAMES.format(any_of(image_metrics()))}")
    if equals and metric.model is None:
        raise RequestError(f"{name} takes no model: write {name}")
    if equals and not source:
        raise RequestError(f"names no model: write {name}=owner/name or {name}=FOLDER, or {name} for {metric.model}")
    metric.check()
    return metric


def _with_model(word: str, metric: ImageMetric, progress: Progress, pins: Pins) -> Chosen:
    name, _, given = word.partition("=")
    source = given or metric.model
    if source is None:
        return Chosen(name, metric)
    model = named_model(name, source, progress, pins)
    column = name if source == metric.model else f"{name}_{model.name}"
    return Chosen(column, metric, source, model.artifact, model.files)
