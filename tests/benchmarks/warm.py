"""An image on a warm engine against an image of a hand-written loop on a loaded pipeline with the LoRA fused."""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, TCDScheduler

from tcdflow import embedded
from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.engine.warm import WarmEngine
from tcdflow.request.run import run_single
from tests.benchmarks.table import Row, compare
from tests.helpers import prepared

ROUNDS = 60


def run() -> list[Row]:
    """Measure the engine alone, and the whole of a run with its directory, each against the loop."""
    pipe = StableDiffusionPipeline.from_pretrained(embedded.model_path("emoji"), dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(str(embedded.lora_path("emoji")))
    pipe.fuse_lora()
    pipe.set_progress_bar_config(disable=True)
    engine = WarmEngine()
    composer = Composer()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        composition = composer.compose(["prompt=a red heart", f"hydra.run.dir={where / 'run'}"])
        job, output = prepared(composition), RunOutput.of(composition.config)
        numbers = count()

        def by_hand() -> float:
            start = time.perf_counter()
            image = pipe(
                prompt="a red heart",
                num_inference_steps=4,
                guidance_scale=0,
                eta=0.3,
                generator=torch.Generator("cpu").manual_seed(0),
            ).images[0]
            image.save(where / f"{next(numbers)}.png")
            return time.perf_counter() - start

        def engine_alone() -> float:
            start = time.perf_counter()
            engine().run(job.spec, job.files)
            return time.perf_counter() - start

        def whole_run() -> float:
            start = time.perf_counter()
            run_single(job, output, engine, logs=False)
            return time.perf_counter() - start

        times = compare({"by hand": by_hand, "engine": engine_alone, "run": whole_run}, ROUNDS)
    return [
        Row("one image, warm engine, seconds", times["engine"], times["by hand"]),
        Row("one image, warm, with directory and record, seconds", times["run"], times["by hand"]),
    ]
