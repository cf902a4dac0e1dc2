"""An engine lets go of a base, though the collector was told to spare what was there when it was loaded."""

from __future__ import annotations

import gc
import weakref
from functools import partial

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tests.helpers import prepared


def test_a_base_whose_hooks_hold_it_is_released(composer: Composer) -> None:
    kept: list[weakref.ref[object]] = []

    def loaded() -> None:
        assert engine._loaded is not None
        unet = engine._loaded.pipe.unet
        unet.register_forward_pre_hook(partial(lambda owner, module, args: None, unet))
        kept.append(weakref.ref(unet))
        gc.freeze()

    engine = Engine(on_loaded=loaded)
    job = prepared(composer.compose(["prompt=a fox", "sampling.steps=1"]))
    engine.run(job.spec, job.files)
    engine.close()
    assert [ref() for ref in kept] == [None]
