"""An engine lets go of a base, though the collector was told to spare what was there when it was loaded."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tests.helpers import prepared


def unets() -> list[Any]:
    from diffusers import UNet2DConditionModel

    return [one for one in gc.get_objects() if type(one) is UNet2DConditionModel]


def test_a_base_whose_hooks_hold_it_is_released(composer: Composer) -> None:
    kept: list[weakref.ref[object]] = []
    others = set(map(id, unets()))

    def loaded() -> None:
        (unet,) = [one for one in unets() if id(one) not in others]
        unet.register_forward_pre_hook(partial(lambda owner, module, args: None, unet))
        kept.append(weakref.ref(unet))
        gc.freeze()

    engine = Engine(on_loaded=loaded)
    job = prepared(composer.compose(["prompt=a fox", "sampling.steps=1"]))
    engine.run(job.spec, job.files)
    engine.close()
    assert [ref() for ref in kept] == [None]
