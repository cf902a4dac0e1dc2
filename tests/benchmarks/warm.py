"""An image on a warm engine against an image of a hand-written loop: the same work on both sides of each row.

The loop's pipeline has its LoRA fused and no wrappers left. Where the prompt is encoded beforehand, the engine has it
encoded too; where a file is written, both write one, and a run its directory and record as well.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.engine.warm import WarmEngine
from tcdflow.request.run import run_single
from tests.benchmarks.sweep import fused
from tests.benchmarks.table import Row, compare
from tests.helpers import prepared

ROUNDS = 60


def run() -> list[Row]:
    """Measure the engine alone, and whole runs with the prompt encoded or a new one, each against the loop."""
    pipe, engine, composer = fused(), WarmEngine(), Composer()
    with torch.no_grad():
        embeds, _ = pipe.encode_prompt("a red heart", "cpu", 1, False)

    def by_hand(**prompt: Any) -> Image.Image:
        draws = torch.Generator("cpu").manual_seed(0)
        made = pipe(**prompt, num_inference_steps=4, guidance_scale=0, eta=0.3, generator=draws)
        image: Image.Image = made.images[0]
        return image

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        numbers = count()

        def jobs(new: bool) -> Iterator[tuple[Any, RunOutput]]:
            for number in numbers:
                prompt = f"a fox {number}" if new else "a red heart"
                composition = composer.compose([f"prompt={prompt}", f"hydra.run.dir={where / str(number)}"])
                yield prepared(composition), RunOutput.of(composition.config)

        known, unknown = jobs(False), jobs(True)

        def engine_alone() -> float:
            job, _ = next(known)
            start = time.perf_counter()
            engine().run(job.spec, job.files)
            return time.perf_counter() - start

        def whole(jobs: Iterator[tuple[Any, RunOutput]]) -> float:
            job, output = next(jobs)
            start = time.perf_counter()
            run_single(job, output, engine, logs=False)
            return time.perf_counter() - start

        def hand(write: bool, new: bool) -> float:
            number = next(numbers)
            start = time.perf_counter()
            image = by_hand(prompt=f"a fox {number}") if new else by_hand(prompt_embeds=embeds)
            if write:
                image.save(where / f"{number}.png")
            return time.perf_counter() - start

        times = compare(
            {
                "engine": engine_alone,
                "call": lambda: hand(write=False, new=False),
                "run": lambda: whole(known),
                "file": lambda: hand(write=True, new=False),
                "new run": lambda: whole(unknown),
                "new file": lambda: hand(write=True, new=True),
            },
            ROUNDS,
        )
    return [
        Row("one image, warm engine, prompt encoded, no file, seconds", times["engine"], times["call"]),
        Row("one image, warm, prompt encoded, file, directory and record, seconds", times["run"], times["file"]),
        Row("one image, warm, a new prompt, file, directory and record, seconds", times["new run"], times["new file"]),
    ]
