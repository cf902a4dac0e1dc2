"""A distillation whose files and data are known: checked, hashed, and nothing heavy imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from tcdflow.config.distill import DistillComposition
from tcdflow.distill import keys
from tcdflow.distill.keys import Chunk
from tcdflow.distill.record import DistillRecord
from tcdflow.errors import ConfigError, Problem, RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.files.model_index import read_config
from tcdflow.files.network import ANY, Network
from tcdflow.files.pins import FREE, Pins
from tcdflow.files.resolve import Progress
from tcdflow.record import lockfile
from tcdflow.request.prepare import Preparer, fetched
from tcdflow.request.request import Prepared, Request, network_of
from tcdflow.spec import distill_rules
from tcdflow.spec.data import Example
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.problems import problems_of

_SCHEDULE = "scheduler/scheduler_config.json"


@dataclass(frozen=True)
class DistillRequest:
    """A distillation as it was asked for; attributes as of :class:`tcdflow.request.request.Request`."""

    spec: DistillSpec
    pins: Pins = FREE
    allow_pickle: bool = False
    network: Network = ANY
    overrides: tuple[str, ...] = ()
    choices: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def composed(cls, composition: DistillComposition) -> DistillRequest:
        """Return the request that overrides were composed to.

        Raises:
            ConfigError: if the lock file that they name cannot be read.
        """
        return cls(
            composition.spec,
            lockfile.pins(composition.lock),
            composition.allow_pickle,
            network_of(composition.overrides, fetch=composition.fetch),
            composition.overrides,
            composition.choices,
        )

    @classmethod
    def recorded(cls, record: DistillRecord, *, allow_pickle: bool, fetch: bool) -> DistillRequest:
        """Return the request that a record was made from, its files held to the record's lock.

        Args:
            record: which may be untrusted.
            allow_pickle: whether the person lets pickled weights be read.
            fetch: whether the person lets addresses be asked that the record names.

        Raises:
            RequestError: if its settings are none.
        """
        try:
            spec = DistillSpec.model_validate(record.spec)
        except ValidationError as error:
            problems = problems_of(error, DistillSpec, lambda key: None)
            raise RecordError(f"the record's settings are wrong: {problems[0]}") from None
        if problems := list(distill_rules.problems(spec)):
            raise ConfigError(problems)
        pins = Pins(record.lock, since=" since the distillation began")
        return cls(spec, pins, allow_pickle, network_of((), fetch=fetch), tuple(record.overrides), record.choices)


@dataclass(frozen=True)
class PreparedDistillation:
    """A distillation with its files.

    Attributes:
        request: what was asked for.
        teacher: the base's files, as of a run that has it draw the first caption; hashed.
        examples: of the data.
    """

    request: DistillRequest
    teacher: Prepared
    examples: Sequence[Example]

    @property
    def spec(self) -> DistillSpec:
        """The settings."""
        return self.request.spec

    @property
    def lock(self) -> tuple[LockedFile, ...]:
        """The teacher's files."""
        assert self.teacher.lock is not None, "it is prepared with hashes"
        return self.teacher.lock

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The data as it is encoded; reads the images for their hashes."""
        return tuple(keys.chunks(self.spec, self.lock, self.examples))

    @cached_property
    def validation(self) -> list[Example]:
        """Prompts and seeds of the validations; empty if there are none."""
        distill = self.spec.distill
        if not distill.validates:
            return []
        wanted = distill.validation
        captions = list(dict.fromkeys(wanted.prompts or [one.caption for one in self.examples]))
        if not wanted.prompts:
            count = min(wanted.count, len(captions))
            captions = [captions[number * len(captions) // count] for number in range(count)]
        return [Example(caption, seed=wanted.seed) for caption in captions]

    @cached_property
    def data_sha256(self) -> str:
        """One hash over the data."""
        return keys.data_hash(self.chunks)

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the LoRA, as 64 hex digits."""
        return self.key_after(self.spec.distill.steps)

    def key_after(self, steps: int) -> str:
        """Return the key that it would have with so many steps."""
        training = self.spec.training_part()
        training["distill"]["steps"] = steps
        files = sorted((file.role, file.file, file.sha256) for file in self.lock)
        content = {"spec": training, "lock": files, "data": self.data_sha256}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant."""
        return (*distill_rules.warnings(self.spec), *self.teacher.warnings, *_schedule_warnings(self.teacher))


def prepare(request: DistillRequest) -> PreparedDistillation:
    """Find the teacher's files and the data, and check them; large files of the hub may be absent yet.

    Raises:
        RequestError: naming all that is wrong.
    """
    examples = request.spec.data.examples(request.spec)
    run = Request(
        request.spec.teacher(examples[0].caption),
        request.pins,
        allow_pickle=request.allow_pickle,
        network=request.network,
        overrides=request.overrides,
    )
    prepared = PreparedDistillation(request, Preparer()(run, hashed=True), examples)
    if problems := list(_schedule_problems(prepared)):
        raise ConfigError(problems)
    return prepared


def with_files(prepared: PreparedDistillation, progress: Progress) -> PreparedDistillation:
    """Return a distillation with all its files on this machine.

    Raises:
        ConfigError: naming each part that could not be had.
    """
    return replace(prepared, teacher=fetched(prepared.teacher, progress))


def schedule_of(prepared: Prepared) -> dict[str, Any]:
    """Return the scheduler config of a base."""
    files = prepared.files.base_config or prepared.files.base
    path = files.root / _SCHEDULE
    return read_config(path) if _SCHEDULE in files.files and path.is_file() else {}


def _schedule_problems(prepared: PreparedDistillation) -> Iterator[Problem]:
    """Yield what of the base's noise schedule does not fit."""
    schedule, base = schedule_of(prepared.teacher), prepared.spec.base
    says = schedule.get("prediction_type", "epsilon")
    if schedule.get("num_train_timesteps", distill_rules.TRAINING_TIMESTEPS) != distill_rules.TRAINING_TIMESTEPS:
        what = f"its schedule has {schedule['num_train_timesteps']} timesteps, and {distill_rules.TRAINING_TIMESTEPS}"
        yield Problem("base.source", f"{what} are supported", base.source)
    if says != base.prediction_type:
        what = f"the base's scheduler config says {says}; a LoRA of the wrong one is noise"
        yield Problem("base.prediction_type", what, base.prediction_type)
    if says == "epsilon" and schedule.get("rescale_betas_zero_snr"):
        what = "its schedule ends in pure noise (zero terminal SNR), where a UNet that predicts epsilon says nothing"
        yield Problem("base.source", what, base.source)


def _schedule_warnings(prepared: Prepared) -> Iterator[str]:
    if schedule_of(prepared).get("rescale_betas_zero_snr"):
        yield (
            "the base's schedule ends in pure noise (zero terminal SNR), and so does that of the LoRA: sample with "
            "scheduler.rescale_betas_zero_snr=null or true"
        )
