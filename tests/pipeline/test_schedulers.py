"""Schedulers that are copied are as those that are made, whatever was done with the one before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from tcdflow.pipeline.schedulers import Schedulers, make
from tcdflow.spec.scheduler import SCHEDULERS

BASE = dict(DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1).config)


def state(scheduler: Any) -> dict[str, Any]:
    plain = {
        name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in vars(scheduler).items()
    }
    return {name: repr(value) for name, value in plain.items()}


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_a_copy_is_as_a_new_one(name: str) -> None:
    settings = SCHEDULERS[name](name=name)
    schedulers, new = Schedulers(BASE), state(make(settings, BASE))
    for _ in range(2):
        one = schedulers.fresh(settings)
        assert state(one) == new and type(one) is type(make(settings, BASE))
        one.set_timesteps(4)
        sample = torch.ones(1, 4, 2, 2)
        for timestep in one.timesteps:
            sample = one.step(torch.full_like(sample, 0.5), timestep, sample).prev_sample
        assert state(one) != new
        for value in vars(one).values():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                value.fill_(7.0)
            elif isinstance(value, list):
                value.clear()


def test_other_settings_make_another() -> None:
    schedulers = Schedulers(BASE)
    one = SCHEDULERS["tcd"](name="tcd")
    other = one.model_copy(update={"prediction_type": "v_prediction"})
    types = [schedulers.fresh(settings).config.prediction_type for settings in (one, other, one)]
    assert types == ["epsilon", "v_prediction", "epsilon"]
