"""The two sides of the GPU's benchmark: runs of tcdflow, and the tightest script that makes the same images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from diffusers import StableDiffusionXLPipeline, TCDScheduler
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.engine.result import Result
from tcdflow.engine.warm import WarmEngine
from tcdflow.pipeline.device import synchronize
from tcdflow.request.run import run_single
from tests.helpers import prepared

PROMPT = "a red fox"


@dataclass(frozen=True)
class Case:
    """What both sides are asked to make.

    Attributes:
        base: folder of an SDXL.
        loras: files of two TCD-LoRAs for it.
        device: type of the device that computes.
        dtype: that it computes in.
        side: of an image, in pixels.
        steps: of an image.
        backend: that compiles.
        product: side of the square matrices whose product shows the device's rate.
    """

    base: Path
    loras: Sequence[Path]
    device: str = "cuda"
    dtype: str = "float16"
    side: int = 1024
    steps: int = 4
    backend: str = "inductor"
    product: int = 8192

    @property
    def where(self) -> torch.device:
        return torch.device(self.device)

    @property
    def compiled(self) -> str:
        """The override that compiles blocks."""
        return f"runtime.compile={{scope: blocks, mode: default, backend: {self.backend}}}"


class Ours:
    """Runs on an engine, with directory, file and record.

    Args:
        case: what is made.
        reusable: as a sweep's engine, which changes stacks; without as a single run's.
    """

    def __init__(self, case: Case, *, reusable: bool = True) -> None:
        self._case = case
        self._composer = Composer()
        self._engine = WarmEngine(reusable=reusable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()

    def made(self, *more: str, prompt: str = PROMPT, count: int = 1, lora: int = 0) -> Result:
        """Make images of one run, all in one call of the pipeline."""
        case = self._case
        with tempfile.TemporaryDirectory() as where:
            composition = self._composer.compose(
                [
                    "base=sdxl",
                    f"base.source={case.base}",
                    f"loras.tcd.source={case.loras[lora]}",
                    f"prompt={prompt}",
                    f"sampling.steps={case.steps}",
                    f"sampling.width={case.side}",
                    f"sampling.height={case.side}",
                    f"sampling.num_images={count}",
                    f"runtime.batch_size={count}",
                    f"runtime.device={case.device}",
                    f"runtime.dtype={case.dtype}",
                    "runtime.vae_slicing=true",
                    "output.grid=false",
                    f"hydra.run.dir={Path(where) / 'run'}",
                    *more,
                ]
            )
            return run_single(prepared(composition), RunOutput.of(composition.config), self._engine, logs=False)


class Script:
    """A careful script: loads straight to the card, fuses the LoRA and keeps nothing beside it."""

    def __init__(self, case: Case) -> None:
        self._case = case
        pipe: Any = StableDiffusionXLPipeline.from_pretrained(case.base, dtype=getattr(torch, case.dtype))
        pipe.to(case.device)
        pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
        pipe.load_lora_weights(str(case.loras[0]))
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        pipe.vae.enable_slicing()
        pipe.set_progress_bar_config(disable=True)
        self.pipe = pipe

    def compile(self) -> None:
        """Compile the UNet's blocks, as diffusers' guide does."""
        self.pipe.unet.requires_grad_(False)
        self.pipe.unet.compile_repeated_blocks(backend=self._case.backend, dynamic=False)

    def made(self, prompt: str = PROMPT, count: int = 1, steps: int | None = None) -> list[Image.Image]:
        """Make images and write their files; the prompt is encoded once for all of them."""
        from torch.compiler import config

        draws = [torch.Generator("cpu").manual_seed(seed) for seed in range(count)]
        # A limit as high as tcdflow's: beyond it dynamo stops compiling without a word.
        high = config.patch(recompile_limit=256, accumulated_recompile_limit=4096)  # type: ignore[attr-defined]
        with torch.inference_mode(), high:
            made = self.pipe(
                prompt,
                num_images_per_prompt=count,
                num_inference_steps=steps or self._case.steps,
                guidance_scale=0,
                eta=0.3,
                width=self._case.side,
                height=self._case.side,
                generator=draws,
            )
        with tempfile.TemporaryDirectory() as where:
            for number, image in enumerate(made.images):
                image.save(Path(where) / f"{number}.png")
        return list(made.images)

    def unet_flops(self) -> float:
        """Return FLOP of one call of the UNet for one image."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.made(steps=1)
        return float(sum(counter.get_flop_counts()[type(self.pipe.unet).__name__].values()))


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of some work, what it has queued on the card included."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def matmul_rate(case: Case) -> float:
    """Return what the device reaches in a large matrix product, FLOP a second."""
    side, dtype = case.product, getattr(torch, case.dtype)
    one, other = (torch.randn(side, side, device=case.where, dtype=dtype) for _ in range(2))
    for _ in range(3):
        one @ other
    spent = timed(lambda: [one @ other for _ in range(20)], case.where) / 20
    return 2 * side**3 / spent
