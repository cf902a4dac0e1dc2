"""``plan.json``: a sweep's cells, expanded, validated, ordered and frozen before the first one runs.

Cells share templates, so that ten thousand of them stay small: a cell is a template and the values set on it. Plans
may be untrusted: they are validated as data.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tcdflow.errors import ConfigError, RecordError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.lock import LockedFile
from tcdflow.files.pins import Pins
from tcdflow.files.store import moved_here
from tcdflow.record import document
from tcdflow.record.atomic import write_text
from tcdflow.record.data import read_model
from tcdflow.record.document import FILE_NAME as RECORD
from tcdflow.request.request import Request
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec
from tcdflow.spec.paths import is_there
from tcdflow.spec.problems import problems_of
from tcdflow.spec.sweep import SweepSpec
from tcdflow.text import about

FILE_NAME = document.PLAN
CELLS = "cells"
SCHEMA_VERSION: Literal[1] = 1
MAX_BYTES = 1_000_000_000
_SET_FOR_EACH = ("prompt", "negative_prompt", "sampling")


def _below(name: str) -> str:
    if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError("must be the name of a file below a folder")
    return name


FileName = Annotated[str, AfterValidator(_below)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedAxis(_Data):
    """An axis: the keys that it sets, their values at each position, and their places among all overrides."""

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    places: tuple[int, ...]


class PlannedOverride(_Data):
    """An override that holds for all cells, and its place among all."""

    place: int
    text: str


class PlannedFiles(_Data):
    """The local files of one part of a run, as found when the plan was made."""

    role: str
    source: str
    revision: str | None
    root: str
    files: tuple[FileName, ...]
    single: bool
    variant: str | None

    @classmethod
    def of(cls, artifact: Artifact) -> PlannedFiles:
        """Freeze an artifact."""
        fields = {name: getattr(artifact, name) for name in cls.model_fields}
        return cls.model_validate(fields | {"root": str(artifact.root)})

    def artifact(self, *, allow_pickle: bool = False, fetch: bool = False) -> Artifact:
        """Return the artifact, where this machine has it: a plan may come from another."""
        fields = self.model_dump() | {"root": Path(self.root)}
        return moved_here(Artifact(**fields, unpickle=allow_pickle, fetch=fetch))


class Cell(_Data):
    """One run of a sweep.

    Attributes:
        name: of its directory below ``cells/``.
        template: number of the template that it is made from.
        values: what is set on the template, by dotted key.
        overrides: what tells it from the other cells, as a single run would be told.
        key: its run key.
        how: hash of what does not decide the image: how it is computed, and how it is written.
        files: numbers of the files that it reads.
        batch: number of the batch that it is made in; None alone. Neighbours of one number share the UNet's calls.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][\p{L}\p{M}\p{N}_.=+-]*$", max_length=128)
    template: int = Field(ge=0)
    values: dict[str, Any]
    overrides: tuple[str, ...]
    key: str
    how: str
    files: tuple[Annotated[int, Field(ge=0)], ...]
    batch: int | None = Field(None, ge=0)


class Plan(_Data):
    """The content of ``plan.json``; cells stand in the order in which they run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    environment: dict[str, Any]
    name: str
    overrides: tuple[str, ...]
    fixed: tuple[PlannedOverride, ...]
    settings: SweepSpec
    axes: tuple[PlannedAxis, ...]
    templates: tuple[dict[str, Any], ...]
    files: tuple[PlannedFiles, ...]
    lock: tuple[LockedFile, ...]
    cells: tuple[Cell, ...]
    excluded: int = 0
    folded: int = 0
    warnings: tuple[str, ...] = ()
    _allow_pickle: bool = PrivateAttr(False)
    _fetch: bool = PrivateAttr(False)

    @model_validator(mode="after")
    def _hangs_together(self) -> Plan:
        values = sum(len(axis.places) for axis in self.axes)
        if len({cell.name for cell in self.cells}) < len(self.cells):
            raise ValueError("two cells have one name")
        for cell in self.cells:
            if cell.template >= len(self.templates) or max(cell.files, default=0) >= len(self.files):
                raise ValueError(f"cell {cell.name} names a template or files that are not there")
            if len(cell.overrides) != values:
                raise ValueError(f"cell {cell.name} has {len(cell.overrides)} values for {values} axes")
        return self

    def spec(self, cell: Cell) -> RunSpec:
        """Return what a cell is.

        Raises:
            ConfigError: if it is none, as in a plan that tcdflow did not make.
        """
        try:
            return RunSpec.model_validate(with_values(self.templates[cell.template], cell.values))
        except ValidationError as error:
            raise ConfigError(problems_of(error, RunSpec, lambda key: None)) from None

    def overrides_of(self, cell: Cell) -> tuple[str, ...]:
        """Return all overrides of a cell, as a single run would be told."""
        places = [place for axis in self.axes for place in axis.places]
        items = [(item.place, item.text) for item in self.fixed]
        items += zip(places, cell.overrides, strict=True)
        return tuple(text for _, text in sorted(items, key=lambda item: item[0]) if text)

    def request(self, cell: Cell, pins: Pins, files: Artifacts) -> Request:
        """Return a cell as a request.

        Args:
            cell: one of the plan's.
            pins: the plan's lock.
            files: of the cell.

        Raises:
            ConfigError: if it breaks a rule, as a plan may that tcdflow did not make.
        """
        spec = self.spec(cell)
        if problems := list(rules.problems(spec)):
            raise ConfigError(problems)
        return Request(
            spec,
            pins,
            files,
            allow_pickle=self._allow_pickle,
            overrides=self.overrides_of(cell),
            warnings=self.warnings,
        )

    def pins(self) -> Pins:
        """Return what the plan knows of its files."""
        return Pins(self.lock, f"{FILE_NAME}; plan it again in another directory", since=" since the plan")

    def artifacts(self, cell: Cell) -> Artifacts:
        """Return the local files of a cell."""
        return Artifacts.of(self.files[number].artifact(allow_pickle=self._allow_pickle) for number in cell.files)

    @property
    def switches(self) -> bool:
        """Whether the pipeline of one cell may not do for another: they differ in more than prompts and sampling."""

        def decides(cell: Cell) -> str:
            loaded = {key: value for key, value in cell.values.items() if key.split(".")[0] not in _SET_FOR_EACH}
            return repr((cell.template, cell.files, sorted(loaded.items())))

        return len({decides(cell) for cell in self.cells}) > 1

    @property
    def allows_pickles(self) -> bool:
        """Whether pickled weights may be read."""
        return self._allow_pickle

    @property
    def allows_fetch(self) -> bool:
        """Whether the hub may be asked for what is missing."""
        return self._fetch

    def allowing(self, *, pickles: bool, fetch: bool) -> Plan:
        """Return the plan as the person at the command line lets it be run, which no file can say."""
        plan = self.model_copy()
        plan._allow_pickle, plan._fetch = pickles, fetch
        return plan

    def batches(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the cells in order, those together that are made together."""
        for number, neighbours in itertools.groupby(self.cells, key=lambda cell: cell.batch):
            cells = tuple(neighbours)
            if number is None:
                yield from ((cell,) for cell in cells)
            else:
                yield cells

    def write(self, directory: Path) -> None:
        """Write ``plan.json`` atomically."""
        directory.mkdir(parents=True, exist_ok=True)
        plain = self.model_dump(mode="json", exclude=None if self.warnings else {"warnings"})
        write_text(directory / FILE_NAME, json.dumps(plain, ensure_ascii=False) + "\n")

    def difference(self, other: Plan) -> list[str]:
        """Say how another plan differs, in lines for a person; empty if it makes the same cells."""
        mine = {(cell.key, cell.how): cell for cell in self.cells}
        theirs = {(cell.key, cell.how): cell for cell in other.cells}
        lines = [f"- {mine[key].name}" for key in mine if key not in theirs]
        lines += [f"+ {theirs[key].name}" for key in theirs if key not in mine]
        if not lines and [c.name for c in self.cells] != [c.name for c in other.cells]:
            lines.append("the same cells under other names")
        return lines


def read(directory: Path) -> Plan:
    """Read the plan of a sweep directory.

    Raises:
        RecordError: if there is none, or it is damaged.
    """
    path = directory / FILE_NAME
    if not is_there(path) and (found := _without_plan(directory)):
        raise RecordError(about(directory, found))
    what = f"plan of schema {SCHEMA_VERSION}"
    hint = "; is it the directory of a sweep?"
    return read_model(path, Plan, most=MAX_BYTES, what=what, hint=hint)


def _without_plan(directory: Path) -> str | None:
    """Say what a directory is that holds runs and no plan; None of any other."""
    if is_there(directory / RECORD):
        again = shlex.join(["tcdflow", "rerun", str(directory)])
        return f"is the directory of a run, which has no {FILE_NAME}; {again} makes it again"
    if (directory / CELLS).is_dir():
        what = f"has {CELLS}/ and no {FILE_NAME}, as a sweep of Hydra's own sweepers and launchers, which cannot go on"
        return f"{what}; run its command again with another hydra.sweep.dir"
    return None


def with_values(plain: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved config with some dotted keys set, copying only what changes."""
    result = dict(plain)
    for key, value in values.items():
        node = result
        *parents, last = key.split(".")
        for part in parents:
            child = node.get(part)
            node[part] = child = dict(child) if isinstance(child, Mapping) else {}
            node = child
        node[last] = value
    return result
