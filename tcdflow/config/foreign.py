"""Overrides of another command: a run has no data to train on, and a distillation no sampling."""

from __future__ import annotations

from collections.abc import Sequence

from tcdflow.config.overrides import ParsedOverride
from tcdflow.errors import Problem
from tcdflow.spec.distill import DistillSpec
from tcdflow.spec.model import RunSpec
from tcdflow.spec.types import Settings


def foreign(parsed: Sequence[ParsedOverride], model: type[Settings]) -> list[Problem]:
    """Return a problem for each override of what another command composes.

    Args:
        parsed: the overrides.
        model: what is composed.
    """
    (other, what) = (
        (RunSpec, f"is for runs; a distillation has {', '.join(DistillSpec.model_fields)}")
        if model is DistillSpec
        else (DistillSpec, "is for distillations: tcdflow distill")
    )
    alone = (other.model_fields.keys() | ({"sweep"} if other is RunSpec else set())) - model.model_fields.keys()
    return [Problem(item.key, what, origin=item.text) for item in parsed if item.key.partition(".")[0] in alone]
