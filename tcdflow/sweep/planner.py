"""From overrides to a plan. Each distinct choice of groups is composed once; values are set on the typed result.

Setting a value on a resolved config gives what composing anew would give, as long as no interpolation names the key and
no other override touches it; any other value is composed like a choice.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tcdflow._version import __version__
from tcdflow.artifacts.artifact import Artifact, Artifacts
from tcdflow.artifacts.lock import LockedFile, lock
from tcdflow.artifacts.resolve import resolve
from tcdflow.artifacts.sizes import settle
from tcdflow.errors import ConfigError, Problem
from tcdflow.record.key import run_key
from tcdflow.spec import rules
from tcdflow.spec.compose import Composer, Draft
from tcdflow.spec.expand import Axes, Axis, Point, axes
from tcdflow.spec.model import RunSpec
from tcdflow.spec.references import overlap
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweep import order
from tcdflow.sweep.plan import Cell, Plan, PlannedAxis, PlannedFiles, with_values

MAX_CELLS = 1_000_000
MAX_SAID = 40

Points = tuple[Point, ...]


@dataclass
class Planned:
    """A plan, and what a person should be told of it."""

    plan: Plan
    warnings: list[str] = field(default_factory=list)


def make(composer: Composer, overrides: Sequence[str]) -> Planned:
    """Plan a sweep.

    Raises:
        ConfigError: with what is wrong with every cell, each said once with a cell that shows it.
    """
    found = axes(composer, overrides)
    return _Planner(composer, found).plan(overrides)


class _ComposeAnew(Exception):  # noqa: N818  a signal, no error
    """A key that was thought free turned out to be named by an interpolation."""


class _Planner:
    def __init__(self, composer: Composer, found: Axes) -> None:
        self._composer = composer
        self._axes = found
        keys = [text.partition("=")[0].lstrip("+~") for text in found.fixed]
        swept = [point.key for axis in found.axes for point in axis[0]]
        self._free = {key for key in swept if _is_free(key, [*keys, *(k for k in swept if k != key)], found)}
        self._files = _Files()
        self._forget()

    def _forget(self) -> None:
        self._templates: dict[tuple[str, ...], int | None] = {}
        self._drafts: list[Draft] = []
        self._problems: dict[tuple[str, str], Problem] = {}
        self._warnings: dict[str, None] = {}

    def plan(self, overrides: Sequence[str]) -> Planned:
        points, excluded = _cells(self._axes)
        while True:
            try:
                return self._attempt(overrides, points, excluded)
            except _ComposeAnew:
                self._forget()

    def _attempt(self, overrides: Sequence[str], points: Sequence[Points], excluded: int) -> Planned:
        cells: dict[str, Cell] = {}
        costs: list[tuple[Any, ...]] = []
        for cell_points in points:
            made = self._cell(cell_points)
            if made is not None and made[0].key not in cells:
                cells[made[0].key] = made[0]
                costs.append(made[1])
        if self._problems:
            raise ConfigError(list(self._problems.values())[:MAX_SAID])
        unordered = list(cells.values())
        ordered = [unordered[number] for number in order.by_cost(costs)]
        names = cell_names([cell.overrides for cell in ordered])
        plan = Plan.model_construct(
            tcdflow=__version__,
            name=self._axes.sweep.name or sweep_name(self._axes, overrides),
            overrides=tuple(overrides),
            fixed=self._axes.fixed,
            settings=self._axes.sweep,
            axes=tuple(_planned_axis(axis) for axis in self._axes.axes),
            templates=tuple(draft.plain for draft in self._drafts),
            files=tuple(self._files.planned),
            lock=tuple(self._files.locked.values()),
            cells=tuple(cell.model_copy(update={"name": name}) for cell, name in zip(ordered, names, strict=True)),
            excluded=excluded,
            folded=len(points) - len(cells),
        )
        return Planned(plan, list(self._warnings))

    def _cell(self, points: Points) -> tuple[Cell, tuple[Any, ...]] | None:
        number = self._template(points)
        texts = tuple(point.text for point in points)
        if number is None:
            return None
        draft = self._drafts[number]
        values = {point.key: point.value for point in points if point.key in self._free}
        own: list[Problem] = []
        spec = self._composer.judge(with_values(draft.plain, values), draft.said, own)
        if spec is None or own:
            self._wrong(own, texts)
            return None
        self._warnings |= dict.fromkeys(rules.warnings(spec))
        try:
            artifacts, files, locked = self._files.of(spec)
            settled = settle(spec, artifacts)
        except ConfigError as error:
            self._wrong(error.problems, texts)
            return None
        key = run_key(settled, locked)
        cell = Cell.model_construct(name="", template=number, values=values, overrides=texts, key=key, files=files)
        return cell, order.costs(settled)

    def _template(self, points: Points) -> int | None:
        """Return the template of a cell, composing it if it is the first of its kind."""
        structural = tuple(point.text for point in points if point.key not in self._free)
        if structural not in self._templates:
            self._templates[structural] = self._compose(points)
        return self._templates[structural]

    def _compose(self, points: Points) -> int | None:
        texts = tuple(point.text for point in points)
        try:
            draft = self._composer.draft([*self._axes.fixed, *texts])
        except ConfigError as error:
            self._wrong(error.problems, texts)
            return None
        named = {key for key in self._free if any(overlap(key, other) for other in draft.referenced)}
        if named:
            self._free -= named
            raise _ComposeAnew
        self._drafts.append(draft)
        return len(self._drafts) - 1

    def _wrong(self, problems: Sequence[Problem], texts: tuple[str, ...]) -> None:
        """Keep a problem once, with the first cell that shows it."""
        for problem in problems:
            where = f"cell {' '.join(texts)}"
            if problem.origin and "=" not in problem.origin:
                where = f"{problem.origin}; {where}"
            key = (problem.key, f"{problem.value}{problem.what}")
            self._problems.setdefault(key, replace(problem, origin=where))


class _Files:
    """The files of all cells: resolved once for each distinct set of sources, and hashed once."""

    def __init__(self) -> None:
        self.planned: list[PlannedFiles] = []
        self.locked: dict[tuple[str, str, str], LockedFile] = {}
        self._known: dict[str, tuple[Artifacts, tuple[int, ...], tuple[LockedFile, ...]]] = {}
        self._numbers: dict[Artifact, int] = {}

    def of(self, spec: RunSpec) -> tuple[Artifacts, tuple[int, ...], tuple[LockedFile, ...]]:
        runtime = (spec.runtime.dtype, spec.runtime.device, spec.runtime.tiny_vae)
        loras = [(name, lora.source) for name, lora in spec.loras.items()]
        sources = repr((spec.base, spec.task, runtime, loras, spec.adapters))
        if sources not in self._known:
            artifacts = resolve(spec)
            locked = lock(artifacts)
            self.locked |= {(file.role, file.source, file.file): file for file in locked}
            self._known[sources] = (artifacts, tuple(self._number(a) for a in artifacts), locked)
        return self._known[sources]

    def _number(self, artifact: Artifact) -> int:
        if artifact not in self._numbers:
            self._numbers[artifact] = len(self.planned)
            self.planned.append(PlannedFiles.of(artifact))
        return self._numbers[artifact]


def _is_free(key: str, others: Sequence[str], found: Axes) -> bool:
    """Say whether a key can be set on a resolved config, as far as the overrides tell."""
    plain = all(point.plain for axis in found.axes for rank in axis for point in rank if point.key == key)
    return plain and not any(part.isdigit() for part in key.split(".")) and not any(overlap(key, o) for o in others)


def _cells(found: Axes) -> tuple[list[Points], int]:
    sweep = found.sweep
    total = math.prod(len(axis) for axis in found.axes)
    if total > MAX_CELLS:
        raise ConfigError([Problem("sweep", f"has {total} cells; at most {MAX_CELLS} are planned at once")])
    product = (tuple(itertools.chain.from_iterable(ranks)) for ranks in itertools.product(*found.axes))
    kept = [points for points in product if not _excluded(points, sweep)]
    excluded = total - len(kept)
    if not kept:
        raise ConfigError([Problem("sweep.exclude", "leaves no cell")])
    if sweep.sample is not None and sweep.sample.count < len(kept):
        chosen = random.Random(sweep.sample.seed).sample(range(len(kept)), sweep.sample.count)
        kept = [kept[number] for number in sorted(chosen)]
    return kept, excluded


def _excluded(points: Points, sweep: SweepSpec) -> bool:
    if not sweep.exclude:
        return False
    values = {point.key: point.value for point in points}
    return any(all(key in values and values[key] == value for key, value in rule.items()) for rule in sweep.exclude)


def _planned_axis(axis: Axis) -> PlannedAxis:
    keys = tuple(point.key for point in axis[0])
    return PlannedAxis(keys=keys, values=tuple(tuple(point.value for point in rank) for rank in axis))


def sweep_name(found: Axes, overrides: Sequence[str]) -> str:
    """Name a sweep after its axes, the same for the same overrides."""
    keys = [point.key.rpartition(".")[2] for axis in found.axes for point in axis[0]]
    digest = hashlib.sha256("\0".join(sorted(overrides)).encode()).hexdigest()[:8]
    return f"{_slug('-'.join(keys))[:60] or 'sweep'}_{digest}"


def cell_names(overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name cells by a number that sorts and the values that they set."""
    width = max(3, len(str(len(overrides) - 1)))
    names = []
    for number, texts in enumerate(overrides):
        pairs = [text.partition("=") for text in texts]
        slug = _slug("_".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs))[:100].strip("-._=+")
        names.append(f"{number:0{width}d}" + (f"_{slug}" if slug else ""))
    return names


def _slug(text: str) -> str:
    return re.sub(r"-*([_=])-*", r"\1", re.sub(r"[^A-Za-z0-9.=+_-]+", "-", text)).strip("-")
