"""What we know of component configs is what the classes of diffusers take, in its present version."""

from __future__ import annotations

from inspect import signature

import diffusers
import pytest

from tcdflow.files.component_config import problem
from tcdflow.files.component_kinds import FLAGS, NUMBERS, TEXTS
from tcdflow.spec.scheduler import SCHEDULERS

MODELS = ["UNet2DConditionModel", "AutoencoderKL", "AutoencoderTiny", "ControlNetModel", "T2IAdapter", "MotionAdapter"]
OTHERS = ["PNDMScheduler", "LMSDiscreteScheduler", "DDPMScheduler"]  # that bases come with
CLASSES = {*MODELS, *OTHERS, *(scheduler.diffusers_class.partition(":")[2] for scheduler in SCHEDULERS.values())}
KINDS: dict[type, frozenset[str]] = {bool: FLAGS, int: NUMBERS, float: NUMBERS, str: TEXTS}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_defaults_are_of_the_kind(name: str) -> None:
    for key, parameter in signature(getattr(diffusers, name).__init__).parameters.items():
        if (kind := type(parameter.default)) not in KINDS:
            continue
        assert problem("config.json", {key: parameter.default}) is None
        wrong = "x" if kind is not str else 5
        assert problem("config.json", {key: wrong}) is not None, f"{key} is not known"
