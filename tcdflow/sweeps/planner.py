"""From overrides to a plan. Each distinct choice of groups is composed once; values are set on the typed result.

Setting a value on a resolved config equals composing again, as long as no interpolation names the key and no other
override touches it; any other value is composed like a choice.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tcdflow.config.axes import Axes, Axis, Point, axes, without
from tcdflow.config.compose import Composer
from tcdflow.config.draft import Draft
from tcdflow.config.permission import permitted
from tcdflow.config.references import behind_interpolation, overlap
from tcdflow.errors import ConfigError, Problem
from tcdflow.files.artifact import Artifact
from tcdflow.files.pins import Pins
from tcdflow.record.environment import versions
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared, network_of
from tcdflow.spec.model import RunSpec, RuntimeSpec
from tcdflow.spec.output import OutputSpec
from tcdflow.sweeps import order
from tcdflow.sweeps.files import SweepFiles
from tcdflow.sweeps.names import cell_names, sweep_name
from tcdflow.sweeps.plan import Cell, Plan, PlannedAxis, PlannedOverride, with_values
from tcdflow.sweeps.problems import ProblemCollector
from tcdflow.text import counted, shortened

MAX_CELLS = 1_000_000
MAX_WARNINGS = 40
SEED = "sampling.seed"
_OUTPUT = OutputSpec.model_fields

Points = tuple[Point, ...]
Texts = tuple[str, ...]


@dataclass
class Planned:
    """A plan, the draft of its first cell, what a person should be told of it, the files of all its cells, some of
    which may be absent, which cells were folded, in a line, and the runtime options of the cells, each once.
    """

    plan: Plan
    draft: Draft
    warnings: list[str] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    folded: tuple[str, ...] = ()
    runtimes: tuple[RuntimeSpec, ...] = ()


@dataclass
class _Sketch:
    """A cell before it is named, what has to be loaded or set for it, its images, and how many share a call."""

    fields: dict[str, Any]
    costs: tuple[Any, ...]
    images: int
    batch_size: int


def make(
    composer: Composer, overrides: Sequence[str], pins: Pins | None = None, preparer: Preparer | None = None
) -> Planned:
    """Plan a sweep.

    Args:
        composer: of its cells.
        overrides: as the user wrote them.
        pins: what is known of the files, in the place of the lock file that the config names.
        preparer: finds and hashes the files; None: one of its own.

    Raises:
        ConfigError: with what is wrong with any cell, and the cells with which it is wrong.
    """
    allow_pickle, others = permitted(overrides)
    found = axes(composer, others)
    network = network_of(overrides, fetch=composer.fetch)
    files = SweepFiles(allow_pickle=allow_pickle, pins=pins, network=network, preparer=preparer)
    return _Planner(composer, found, files).plan(overrides)


class _ComposeAnew(Exception):  # noqa: N818  a signal, no error
    """A key that was thought free turned out to be named by an interpolation."""


class _Planner:
    def __init__(self, composer: Composer, found: Axes, files: SweepFiles) -> None:
        self._composer = composer
        self._axes = found
        self._free = set(_free(composer, found))
        self._files = files
        self._forget()

    def _forget(self) -> None:
        self._templates: dict[tuple[str, ...], int | None] = {}
        self._drafts: list[Draft] = []
        self._merged: list[dict[str, Any]] = []
        self._problems = ProblemCollector()
        self._warnings: dict[str, None] = {}
        self._warned: set[tuple[str, ...]] = set()
        self._hows: dict[tuple[RuntimeSpec, OutputSpec, tuple[str, ...]], str] = {}

    def plan(self, overrides: Sequence[str]) -> Planned:
        points, excluded = self._cells()
        while True:
            try:
                return self._attempt(overrides, points, excluded)
            except _ComposeAnew:
                self._forget()

    def _cells(self) -> tuple[list[Points], int]:
        """Return the points of each cell, and how many cells were left out."""
        sweep, found = self._axes.sweep, self._axes.axes
        _check_rules(self._axes)
        total = math.prod(len(axis) for axis in found)
        if total > MAX_CELLS:
            raise ConfigError([Problem("sweep", f"has {total} cells; at most {MAX_CELLS} are planned at once")])
        product = (tuple(itertools.chain.from_iterable(ranks)) for ranks in itertools.product(*found))
        if sweep.exclude:
            rules_hit = [(points, without(points, sweep.exclude)) for points in product]
            kept = [points for points, rule in rules_hit if rule is None]
            self._unused = set(range(len(sweep.exclude))) - {rule for _, rule in rules_hit}
        else:
            kept, self._unused = list(product), set()
        if not kept:
            raise ConfigError([Problem("sweep.exclude", "leaves no cell")])
        excluded = total - len(kept)
        if sweep.sample is not None and sweep.sample.count < len(kept):
            chosen = random.Random(sweep.sample.seed).sample(range(len(kept)), sweep.sample.count)
            kept = [kept[number] for number in sorted(chosen)]
        return kept, excluded

    def _attempt(self, overrides: Sequence[str], points: Sequence[Points], excluded: int) -> Planned:
        cells: dict[tuple[str, str], _Sketch] = {}
        twin: tuple[Texts, Texts] | None = None
        for cell_points in points:
            cell = self._cell(cell_points)
            if cell is not None:
                first = cells.setdefault((cell.fields["key"], cell.fields["how"]), cell)
                if twin is None and first is not cell:
                    twin = (cell.fields["overrides"], first.fields["overrides"])
        self._problems.raise_any()
        unordered = list(cells.values())
        ordered = [unordered[number] for number in order.by_cost([cell.costs for cell in unordered])]
        names = cell_names([cell.fields["overrides"] for cell in ordered])
        batches = order.batches([(cell.costs, cell.images, cell.batch_size) for cell in ordered])
        keys = [point.key for axis in self._axes.axes for point in axis[0]]
        personal = self._composer.personal
        contents = [*self._axes.declared, *map(str, self._composer.seeds.drawn)]
        contents += [personal.sha256] if personal else []
        plan = Plan.model_construct(
            environment=versions() | ({"defaults": personal.plain()} if personal else {}),
            name=self._axes.sweep.name or sweep_name(keys, overrides, contents),
            overrides=tuple(overrides),
            fixed=tuple(PlannedOverride(place=item.place, text=item.text) for item in self._axes.fixed),
            settings=self._axes.sweep,
            axes=tuple(_planned_axis(axis) for axis in self._axes.axes),
            templates=tuple(draft.plain for draft in self._drafts),
            files=tuple(self._files.planned),
            lock=tuple(self._files.locked.values()),
            cells=tuple(
                Cell.model_construct(name=name, batch=batch, **cell.fields)
                for cell, name, batch in zip(ordered, names, batches, strict=True)
            ),
            excluded=excluded,
            folded=len(points) - len(cells),
            warnings=tuple(self._axes.warnings()),
        )
        unused = [f"sweep.exclude.{number} leaves out nothing" for number in sorted(self._unused)]
        warnings = [*unused, *plan.warnings, *self._warnings]
        folded = (_folded(len(points), len(cells), *twin),) if twin else ()
        runtimes = tuple(dict.fromkeys(runtime for runtime, *_ in self._hows))
        return Planned(plan, self._drafts[0], warnings, self._files.artifacts, folded, runtimes)

    def _cell(self, points: Points) -> _Sketch | None:
        number = self._template(points)
        if number is None:
            return None
        draft = self._drafts[number]
        values = {point.key: point.value for point in points if point.key in self._free and point.text}
        texts = tuple(point.text for point in points)
        problems: list[Problem] = []
        spec = self._composer.judge(with_values(draft.plain, values), draft.parsed, problems)
        if spec is None or problems:
            # Judged again with the files of this choice, to blame the right one.
            self._composer.loader.merged = dict(self._merged[number])
            problems.clear()
            self._composer.judge(with_values(draft.plain, values), draft.parsed, problems)
            self._problems.add(problems, texts)
            return None
        try:
            prepared, files = self._files.of(spec)
        except ConfigError as error:
            self._problems.add(error.problems, texts)
            return None
        self._warn(prepared, texts, [point.key == SEED for point in points])
        sized = prepared.spec
        fields = {
            "template": number,
            "values": values,
            "overrides": texts,
            "key": prepared.key,
            "how": self._how(sized),
            "files": files,
        }
        return _Sketch(fields, order.costs(sized), len(sized.sampling.seeds), sized.runtime.batch_size)

    def _warn(self, prepared: Prepared, texts: Sequence[str], is_seed: Sequence[bool]) -> None:
        """Collect the warnings of a cell, unless those of one were that differs in its seed alone."""
        kind = tuple(text for text, seed in zip(texts, is_seed, strict=True) if not seed)
        if kind not in self._warned and len(self._warnings) < MAX_WARNINGS:
            self._warned.add(kind)
            self._warnings |= dict.fromkeys(prepared.warnings)

    def _how(self, spec: RunSpec) -> str:
        partial = tuple(name for name, lora in spec.loras.items() if lora.partial)
        parts = (spec.runtime, spec.output, partial)
        if (how := self._hows.get(parts)) is None:
            # Earlier plans do not know these, nor which LoRAs may fit in part.
            new = {name for name in ("name", "gallery") if getattr(spec.output, name) == _OUTPUT[name].default}
            text = "\n".join([*(part.model_dump_json(exclude=new) for part in parts[:2]), *partial])
            how = self._hows[parts] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return how

    def _template(self, points: Points) -> int | None:
        """Return the template of a cell, composing it if it is the first of its kind."""
        # A key that a cell leaves as the config has it must not come with another cell's value.
        structural = tuple(
            point.text or f"~{point.key}" for point in points if point.key not in self._free or not point.text
        )
        if structural not in self._templates:
            self._templates[structural] = self._compose(points)
        return self._templates[structural]

    def _compose(self, points: Points) -> int | None:
        texts = tuple(point.text for point in points)
        try:
            # OmegaConf has no escape for the text "???", which is set on what the others compose to.
            told = [point for point in points if point.key not in self._free or point.value != "???"]
            draft = self._composer.draft(self._axes.overrides_of(told))
        except ConfigError:
            self._problems.add(self._all_problems(points), texts)
            return None
        first = self._drafts[0] if self._drafts else draft
        if draft.sweep != self._axes.sweep or draft.tracking != first.tracking:
            key = "tracker" if draft.sweep == self._axes.sweep else "sweep"
            what = "what holds for the sweep as a whole differs between cells; set it outside of what varies"
            self._problems.add([Problem(key, what)], texts)
            return None
        try:
            self._files.pin(draft.lock)
        except ConfigError as error:
            self._problems.add(error.problems, texts)
            return None
        named = {
            key
            for key in self._free
            if any(overlap(key, other) for other in draft.referenced) or behind_interpolation(draft.config, key)
        }
        if named:
            self._free -= named
            raise _ComposeAnew
        self._drafts.append(draft)
        self._merged.append(dict(self._composer.loader.merged))
        return len(self._drafts) - 1

    def _all_problems(self, points: Points) -> Sequence[Problem]:
        """Say all that is wrong with a cell that cannot even be drafted."""
        try:
            self._composer.compose(self._axes.overrides_of(points), of_sweep=True)
        except ConfigError as error:
            return error.problems
        raise AssertionError("what cannot be drafted cannot be composed")


def _free(composer: Composer, found: Axes) -> list[str]:
    """Return the keys that can be set on a resolved config, as far as the overrides tell.

    Groups do not count as touching the keys below them: Hydra chooses all of them before it sets any value.
    """
    swept: dict[str, bool] = {}
    for axis in found.axes:
        for points in axis:
            for point in points:
                swept[point.key] = swept.get(point.key, True) and point.plain
    touched = [item.key for item in found.fixed if not composer.options(item.key)]
    touched += [key for key in swept if not composer.options(key)]
    return [
        key
        for key, plain in swept.items()
        if plain
        and not any(part.isdigit() for part in key.split("."))
        and sum(overlap(key, other) for other in touched) == 1
    ]


def _check_rules(found: Axes) -> None:
    keys = [point.key for axis in found.axes for point in axis[0]]
    there = f"there is no such axis; there are {', '.join(keys) or 'none'}"
    unknown = dict.fromkeys(key for rule in found.sweep.exclude for key in rule if key not in keys)
    problems = [Problem("sweep.exclude", there, key) for key in unknown]
    if found.sweep.metric is not None:
        what = "is for a sweeper that optimizes, such as hydra/sweeper=optuna; results.csv has all metrics"
        problems.append(Problem("sweep.metric", what, ", ".join(found.sweep.metric)))
    problems += [
        Problem("sweep.exclude", "an empty rule leaves out everything") for rule in found.sweep.exclude if not rule
    ]
    if problems:
        raise ConfigError(problems)


def _folded(asked: int, made: int, folded: Texts, kept: Texts) -> str:
    """Say that cells are made once which are asked for several times, with one of them."""
    differing = [pair for pair in zip(folded, kept, strict=True) if pair[0] != pair[1]]
    if differing:
        example = ", as ".join(" ".join(texts) for texts in zip(*differing, strict=True))
    else:
        example = f"{' '.join(folded)} twice"
    such = "such as " if asked - made > 1 else ""
    why = f"{asked - made} the same as another ({such}{shortened(example, 400)})"
    return f"{counted(asked, 'cell')} asked for, {made} made: {why}"


def _planned_axis(axis: Axis) -> PlannedAxis:
    return PlannedAxis(
        keys=tuple(point.key for point in axis[0]),
        values=tuple(tuple(point.value for point in points) for points in axis),
        places=tuple(point.place for point in axis[0]),
    )
