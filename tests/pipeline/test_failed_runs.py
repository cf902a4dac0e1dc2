"""What a run that failed leaves behind: nothing that the next one meets, and no memory."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from diffusers.models.autoencoders.vae import Decoder

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tests.helpers import prepared


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyboardInterrupt()], ids=["fault", "Ctrl-C"])
def test_its_memory_is_given_back(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of cycles, such as hooks of offloading make, in a process whose collector spares what it has loaded."""
    decoders: list[weakref.ref[Any]] = []

    def fails(self: Any, *args: object, **more: object) -> None:
        self.__dict__["itself"] = self
        decoders.append(weakref.ref(self))
        raise error

    run = prepared(Composer().compose(["sampling.steps=1"]))
    engine = Engine(on_loaded=gc.freeze)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Decoder, "forward", fails)
            with pytest.raises(type(error)):
                engine.run(run.spec, run.files)
        error.__traceback__ = None
        engine.close()
        assert decoders[0]() is None
        engine.run(run.spec, run.files)
        assert engine.bases_loaded == 2
    finally:
        engine.close()
        gc.unfreeze()
