"""Batches: which images may share the UNet's calls, and how the members of a batch are recorded and found again.

An image is not bit-identical in batches of other sizes (about 1e-6), so it is rerun in the same batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from tcdflow.spec.model import MAX_BATCH, RunSpec
from tcdflow.spec.types import MAX_IMAGES, MAX_SEED, FilledText, Int, Settings, Text


class Member(Settings):
    """One image of a batch: what may differ between those that share a call."""

    prompt: FilledText
    negative_prompt: Text = ""
    seed: Int = Field(ge=0, le=MAX_SEED)


class Batch(Settings):
    """The images that shared calls with a run's.

    Attributes:
        size: images that a call takes at the most.
        position: of the run's first image among all.
        pictures: all of them in order, those of other runs included; each ``size`` of them are one call.
    """

    size: Int = Field(ge=1, le=MAX_BATCH)
    position: Int = Field(0, ge=0)
    pictures: tuple[Member, ...] = Field(min_length=1, max_length=MAX_IMAGES)

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.position >= len(self.pictures):
            raise ValueError(f"position {self.position} is not among its {len(self.pictures)} images")
        return self

    def of_image(self, number: int) -> Batch | None:
        """Return what one image of the run shared its call with, or None if it had the call to itself."""
        call, position = divmod(self.position + number, self.size)
        pictures = self.pictures[call * self.size : (call + 1) * self.size]
        return Batch(size=self.size, position=position, pictures=pictures) if len(pictures) > 1 else None


def members(specs: Sequence[RunSpec]) -> tuple[Member, ...]:
    """Return all images of runs that are made together."""
    return tuple(
        Member(prompt=spec.prompt, negative_prompt=spec.negative_prompt, seed=seed)
        for spec in specs
        for seed in spec.sampling.seeds
    )


def batches_of(specs: Sequence[RunSpec]) -> list[Batch]:
    """Return the batch of each of the runs that are made together."""
    counts = [len(spec.sampling.seeds) for spec in specs]
    positions = itertools.accumulate(counts, initial=0)
    size, pictures = specs[0].runtime.batch_size, members(specs)
    return [
        Batch(size=size, position=position, pictures=pictures) for _, position in zip(specs, positions, strict=False)
    ]


def batch_key(spec: RunSpec) -> str:
    """Return a text that is the same for runs that may share calls: all but prompts and seeds."""
    return spec.model_dump_json(exclude={"prompt": True, "negative_prompt": True, "sampling": {"seed", "num_images"}})


def batch_members(spec: RunSpec, batch: Batch | None) -> tuple[list[RunSpec], int]:
    """Return the runs that a run was made with, itself among them, and its place there.

    A run that is another than the one that was in the batch, in its prompts, seeds or size of batch, is made alone.
    """
    if batch is None or not is_in(spec, batch):
        return [spec], 0
    specs, (own,) = expand_batch([(spec, batch)])
    return specs, own


def is_in(spec: RunSpec, batch: Batch) -> bool:
    """Say whether a batch holds a run's images at its position."""
    own = members([spec])
    return batch.size == spec.runtime.batch_size and own == batch.pictures[batch.position :][: len(own)]


def expand_batch(runs: Sequence[tuple[RunSpec, Batch]]) -> tuple[list[RunSpec], list[int]]:
    """Return all runs of one batch, and where among them those are of which more is known than their images.

    Args:
        runs: some that are in the batch, by position.
    """
    first, batch = runs[0]
    specs: list[RunSpec] = []
    places: list[int] = []
    reached = 0
    for spec, where in runs:
        specs += [_single(first, one) for one in batch.pictures[reached : where.position]]
        places.append(len(specs))
        specs.append(spec)
        reached = where.position + len(spec.sampling.seeds)
    return [*specs, *(_single(first, one) for one in batch.pictures[reached:])], places


def _single(spec: RunSpec, member: Member) -> RunSpec:
    sampling = spec.sampling.model_copy(update={"seed": member.seed, "num_images": 1})
    texts = {"prompt": member.prompt, "negative_prompt": member.negative_prompt}
    return spec.model_copy(update={**texts, "sampling": sampling})
