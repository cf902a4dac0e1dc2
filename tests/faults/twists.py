"""What a forked process is changed in before it begins: an engine without a model, clocks that jump, code at steps.

Some are what it does in place of a command.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from tcdflow.spec.model import RunSpec
from tests.sweep import fake
from tests.sweep.fake import FakeEngine

_noise = fake.draw


def draw_at_once() -> None:
    """Have images drawn at once by an engine without a model."""
    import tcdflow.engine.engine

    def made(**_: Any) -> FakeEngine:
        return FakeEngine()

    tcdflow.engine.engine.Engine = made  # type: ignore[assignment, misc]


def before_each(code: str) -> None:
    """Run code before each image is drawn, or each run of a real engine is made; ``n`` counts from 1."""
    import tcdflow.engine.sampler

    done = [0]

    def step() -> None:
        done[0] += 1
        exec(code, {"n": done[0]})

    def drawn(spec: RunSpec, seed: int) -> Image.Image:
        step()
        return _noise(spec, seed)

    fake.draw = drawn
    make = tcdflow.engine.sampler.Sampler.make

    def made(self: Any, wanted: Any) -> Any:
        step()
        return make(self, wanted)

    tcdflow.engine.sampler.Sampler.make = made  # type: ignore[method-assign]


def journal(path: str) -> None:
    """Note what is begun, and each call of the denoiser, for :func:`tests.faults.kills.journal`."""
    from diffusers import UNet2DConditionModel

    import tcdflow.engine.sampler

    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    make, forward, draw = tcdflow.engine.sampler.Sampler.make, UNet2DConditionModel.forward, FakeEngine._run

    def note(text: str) -> None:
        os.write(handle, f"{os.getpid()} {text}\n".encode())

    def names(spec: RunSpec, seeds: Iterable[int]) -> str:
        return " ".join(f"{seed}@{spec.loras['tcd'].weight}" for seed in seeds)

    def made(self: Any, wanted: Any) -> Any:
        note(f"begin {names(self._spec, [one.seed for one in wanted])}")
        return make(self, wanted)

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        note("call")
        return forward(self, *args, **kwargs)

    def drawn(self: FakeEngine, spec: RunSpec, batch: Any) -> Any:
        note(f"begin {names(spec, spec.sampling.seeds)}")
        for _ in spec.sampling.seeds:
            for _ in range(spec.effective_steps):
                note("call")
        return draw(self, spec, batch)

    tcdflow.engine.sampler.Sampler.make = made  # type: ignore[method-assign]
    UNet2DConditionModel.forward = called
    FakeEngine._run = drawn  # type: ignore[method-assign]


def at_each_step(code: str) -> None:
    """Run code after each step of an image, as the progress bar is told of it: ``done`` steps ``of`` so many."""
    from tcdflow.cli.progress import StepBar

    def step(self: StepBar, number: int, done: int, of: int) -> None:
        exec(code, {"done": done, "of": of})

    StepBar.step = step  # type: ignore[assignment, method-assign]


def without_reader(_: str) -> None:
    """Have nobody at the other end of standard output."""
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(reading)
    os.close(writing)


def jumping_clock(seed: str) -> None:
    """Have the clock jump by years at each look, back and forth, before 1970 too."""
    import hydra.core.utils

    import tcdflow.record.rundir

    chance = random.Random(seed)
    now = time.time_ns

    def time_ns() -> int:
        return now() + chance.randint(-80, 80) * 31_557_600 * 10**9 + chance.randint(-(10**9), 10**9)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Jumping:
            return cls.fromtimestamp(time_ns() / 1e9, tz)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    tcdflow.record.rundir.datetime = Jumping  # type: ignore[attr-defined]
    hydra.core.utils.datetime = Jumping  # type: ignore[attr-defined]


def answer_each(said: str) -> None:
    """Run, in place of a command, several, and write what they answer, as JSON.

    Args:
        said: JSON: the ``commands`` of :func:`tests.docs.commands.answers`; whether they share an engine as the lines
            of a shell do (``warm``); the ``hub`` cache that they find offline, or None.
    """
    from huggingface_hub import constants

    from tcdflow.cli.engines import shared
    from tests.docs.commands import answers

    told = json.loads(said)
    if told["hub"]:
        constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = told["hub"], True
    with shared() if told["warm"] else contextlib.nullcontext():
        json.dump(answers(told["commands"]), sys.stdout)
    sys.exit(0)


def be_warm(path: str) -> None:
    """Be, in place of a command, the warm process that is met at a socket."""
    from tcdflow.cli.leave import leave
    from tcdflow.cli.process import prepare_process
    from tcdflow.cli.serve import Server
    from tcdflow.warm import place

    listening = place.listen(path)
    prepare_process()
    Server(listening, Path(path), 30).run()
    leave(0)
