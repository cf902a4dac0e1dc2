"""64 cells on the embedded model, against the tightest hand-written loop and against one process a cell."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, TCDScheduler

from tcdflow import embedded
from tcdflow.config.compose import Composer
from tcdflow.engine.warm import WarmEngine
from tcdflow.sweeps import planner
from tcdflow.sweeps.plan import Plan
from tcdflow.sweeps.runner import Runner, pending
from tests.benchmarks.table import Row
from tests.sweep.fake import write_table

PROMPTS = ("a red heart", "a blue star", "a green leaf", "a yellow sun")
SEEDS = range(4)
ETAS = (0.0, 0.3, 0.6, 1.0)
BATCH = 16
ROUNDS = 5
PROCESSES = 3


def run() -> list[Row]:
    """Alternate whole sweeps on a loaded pipeline, directories, records and results included."""
    pipe = fused()
    engine = WarmEngine()
    axes = [f"prompt={','.join(PROMPTS)}", "sampling.seed=range(4)", f"sampling.eta={','.join(map(str, ETAS))}"]
    alone, together = (planner.make(Composer(), [*axes, f"runtime.batch_size={size}"]).plan for size in (1, BATCH))
    assert len(alone.cells) == len(together.cells) == 64
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def by_hand(where: Path) -> Iterator[None]:
            where.mkdir()
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
                    yield

        def swept(plan: Plan, where: Path) -> Iterator[None]:
            plan.write(where)
            runner = Runner(plan, where, engine)
            outcomes = []
            for outcome in runner.run(pending(plan, where)):
                assert outcome.status == "done"
                outcomes.append(outcome)
                yield
            write_table(where, plan, outcomes)

        def once() -> list[tuple[float, float]]:
            """Take a cell of each in turn, so that slow spells meet all; return seconds, and those of CPU."""
            where = Path(folder) / str(next(numbers))
            where.mkdir()
            subjects = [swept(alone, where / "swept"), swept(together, where / "batched"), by_hand(where / "by_hand")]
            seconds, cpu = [0.0] * len(subjects), [0.0] * len(subjects)
            for _ in range(65):
                for which, subject in enumerate(subjects):
                    start, before = time.perf_counter(), time.process_time()
                    next(subject, None)
                    seconds[which] += time.perf_counter() - start
                    cpu[which] += time.process_time() - before
            return list(zip(seconds, cpu, strict=True))

        once()
        rounds = [once() for _ in range(ROUNDS)]
        (ours, batched, hand), (ours_cpu, _, hand_cpu) = (
            [[one[which][kind] for one in rounds] for which in range(3)] for kind in range(2)
        )
        processes = [_process(Path(folder) / f"process_{number}") for number in range(PROCESSES)]
    return [
        Row("64 cells, warm, seconds, against a loop by hand", ours, hand),
        Row("... seconds of CPU", ours_cpu, hand_cpu),
        Row(f"64 cells in batches of {BATCH}, warm, seconds, against a loop by hand", batched, hand),
        Row("64 cells, warm, seconds, against one process a cell", ours, [64 * median(processes)]),
    ]


def fused() -> Any:
    """Return the tightest pipeline of the embedded model: the LoRA fused, and nothing left around the layers."""
    pipe = StableDiffusionPipeline.from_pretrained(embedded.model_path("emoji"), dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(str(embedded.lora_path("emoji")))
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _process(where: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "tcdflow", "prompt=a red heart", f"hydra.run.dir={where}"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
