"""64 cells on the embedded model, against the tightest hand-written loop and against one process a cell."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from diffusers import StableDiffusionPipeline, TCDScheduler

from tcdflow import embedded
from tcdflow.app import WarmEngine
from tcdflow.spec.compose import Composer
from tcdflow.sweep import planner, results
from tcdflow.sweep.runner import Runner
from tests.benchmarks.table import Row, compare

PROMPTS = ("a red heart", "a blue star", "a green leaf", "a yellow sun")
SEEDS = range(4)
ETAS = (0.0, 0.3, 0.6, 1.0)
ROUNDS = 5
PROCESSES = 3


def run() -> list[Row]:
    """Alternate whole sweeps on a loaded pipeline, directories, records and results included."""
    pipe = StableDiffusionPipeline.from_pretrained(embedded.model_path("emoji"), dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(str(embedded.lora_path("emoji")))
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    pipe.set_progress_bar_config(disable=True)
    engine = WarmEngine()
    axes = [f"prompt={','.join(PROMPTS)}", "sampling.seed=range(4)", f"sampling.eta={','.join(map(str, ETAS))}"]
    plan = planner.make(Composer(), axes).plan
    assert len(plan.cells) == 64
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def by_hand() -> float:
            where = Path(folder) / f"by_hand_{next(numbers)}"
            where.mkdir()
            start = time.perf_counter()
            for prompt in PROMPTS:
                with torch.no_grad():
                    embeds, _ = pipe.encode_prompt(prompt, "cpu", 1, False)
                for seed, eta in itertools.product(SEEDS, ETAS):
                    image = pipe(
                        prompt_embeds=embeds,
                        num_inference_steps=4,
                        guidance_scale=0,
                        eta=eta,
                        generator=torch.Generator("cpu").manual_seed(seed),
                    ).images[0]
                    image.save(where / f"{prompt}_{seed}_{eta}.png")
            return time.perf_counter() - start

        def swept() -> float:
            where = Path(folder) / f"swept_{next(numbers)}"
            start = time.perf_counter()
            plan.write(where)
            runner = Runner(plan, where, engine)
            outcomes = list(runner.run(runner.pending()))
            results.write(where, plan, outcomes)
            seconds = time.perf_counter() - start
            assert all(outcome.status == "done" for outcome in outcomes)
            return seconds

        times = compare({"by hand": by_hand, "sweep": swept}, ROUNDS)
        alone = [_process(Path(folder) / f"alone_{number}") for number in range(PROCESSES)]
    return [
        Row("64 cells, warm, seconds, against a loop by hand", times["sweep"], times["by hand"]),
        Row("64 cells, warm, seconds, against one process a cell", times["sweep"], [64 * median(alone)]),
    ]


def _process(where: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "tcdflow", "prompt=a red heart", f"hydra.run.dir={where}"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
