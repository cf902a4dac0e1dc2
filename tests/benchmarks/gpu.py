"""SDXL at its real size on the card, 1024 × 1024 in four steps, against the tightest script; random weights.

Without a card there is nothing to measure: the benchmark says so and gives no row.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline, TCDScheduler

from tcdflow.config.compose import Composer
from tcdflow.config.run_output import RunOutput
from tcdflow.engine.warm import WarmEngine
from tcdflow.request.run import run_single
from tests.benchmarks.table import Figure, Row, compare
from tests.helpers import prepared
from tests.standins.full import build_full, build_full_lora

ROUNDS = 3
BATCHES = (1, 4, 16)
PROMPT = "a red fox"
SIZE = 1024
STEPS = 4


def run() -> list[Row | Figure]:
    """Measure load, LoRA switch, images by batch size, eager and compiled, and peak memory."""
    if not torch.cuda.is_available():
        print("gpu: no CUDA device, nothing is measured")
        return []
    print(f"gpu: {torch.cuda.get_device_name()}, torch {torch.__version__}, float16")
    with tempfile.TemporaryDirectory() as name:
        base = build_full("sdxl", Path(name) / "base", device="cuda")
        loras = [build_full_lora(base, Path(name) / f"{seed}.safetensors", seed=seed) for seed in (1, 2)]
        return [*_loading(base, loras[0]), *_images(base, loras)]


def _loaded(base: Path, lora: Path) -> Any:
    """Load as a careful script does: straight to the card, the LoRA fused, nothing kept beside it."""
    pipe = StableDiffusionXLPipeline.from_pretrained(base, dtype=torch.float16).to("cuda")
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(str(lora))
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    pipe.enable_vae_slicing()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _timed(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


class _Ours:
    """Runs on a warm engine, with directory and record."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._composer = Composer()
        self._engine = WarmEngine()

    def close(self) -> None:
        self._engine.close()

    def made(self, lora: Path, *more: str, count: int = 1) -> Mapping[str, Any]:
        """Make images, and return what the record says of the execution."""
        with tempfile.TemporaryDirectory() as where:
            return self._run(lora, count, Path(where) / "run", more)

    def _run(self, lora: Path, count: int, where: Path, more: Sequence[str]) -> Mapping[str, Any]:
        composition = self._composer.compose(
            [
                "base=sdxl",
                f"base.source={self._base}",
                f"loras.tcd.source={lora}",
                f"prompt={PROMPT}",
                f"sampling.steps={STEPS}",
                f"sampling.num_images={count}",
                f"runtime.batch_size={count}",
                "runtime.device=cuda",
                "runtime.dtype=float16",
                "runtime.vae_slicing=true",
                f"hydra.run.dir={where}",
                *more,
            ]
        )
        output = RunOutput.of(composition.config)
        return run_single(prepared(composition), output, self._engine, logs=False).record.execution


def _by_hand(pipe: Any, count: int) -> list[Any]:
    draws = [torch.Generator("cpu").manual_seed(seed) for seed in range(count)]
    made = pipe([PROMPT] * count, num_inference_steps=STEPS, guidance_scale=0, eta=0.3, generator=draws)
    with tempfile.TemporaryDirectory() as where:
        for number, image in enumerate(made.images):
            image.save(Path(where) / f"{number}.png")
    return list(made.images)


def _release() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def _loading(base: Path, lora: Path) -> list[Row | Figure]:
    """The first image of a process that has imported everything: load, LoRA, one image."""
    ours, other, peaks = [], [], {"ours": [0.0], "other": [0.0]}
    for _ in range(ROUNDS):
        _release()
        engine = _Ours(base)
        ours.append(_timed(partial(engine.made, lora)))
        peaks["ours"] = [torch.cuda.max_memory_allocated() / 1e9]
        engine.close()
        del engine
        _release()
        other.append(_timed(lambda: _by_hand(_loaded(base, lora), 1)))
        peaks["other"] = [torch.cuda.max_memory_allocated() / 1e9]
    _release()
    return [
        Row("SDXL on the card: load, LoRA and first image, seconds", ours, other),
        Row("SDXL on the card: peak memory, GB", peaks["ours"], peaks["other"]),
    ]


def _images(base: Path, loras: list[Path]) -> list[Row | Figure]:
    """Images on a warm engine and on a loaded pipeline; what the UNet reaches of the card; a switch of LoRAs."""
    rows: list[Row | Figure] = []
    engine, pipe = _Ours(base), _loaded(base, loras[0])
    peak = _matmul_rate()
    flops = _unet_flops(pipe)
    for count in BATCHES:
        seconds: list[float] = []

        def ours(count: int = count, into: list[float] = seconds) -> float:
            start = time.perf_counter()
            execution = engine.made(loras[0], count=count)
            into.append(float(execution["seconds"]["denoise"]))
            return (time.perf_counter() - start) / count

        def other(count: int = count) -> float:
            return _timed(lambda: _by_hand(pipe, count)) / count

        times = compare({"ours": ours, "other": other}, ROUNDS)
        rows.append(Row(f"SDXL 1024², batch {count}, seconds an image with its file", times["ours"], times["other"]))
        reached = [100 * STEPS * count * flops / spent / peak for spent in seconds[1:]]
        rows.append(Figure(f"SDXL 1024², batch {count}, % of the card's half-precision rate", reached, "none"))
    switch = iter(range(1000))
    switched = [_timed(lambda: engine.made(loras[next(switch) % 2])) for _ in range(2 * ROUNDS)]
    stay = [_timed(lambda: engine.made(loras[1])) for _ in range(ROUNDS)]
    rows.append(Row("SDXL on the card: an image with another LoRA, against the same again, seconds", switched, stay))
    compiled = "runtime.compile={scope: blocks, mode: default, backend: inductor}"
    engine.made(loras[0], compiled)
    fast = [_timed(lambda: engine.made(loras[0], compiled)) for _ in range(ROUNDS)]
    engine.made(loras[0])
    eager = [_timed(lambda: engine.made(loras[0])) for _ in range(ROUNDS)]
    rows.append(Row("SDXL 1024², blocks compiled against eager, seconds", fast, eager))
    return rows


def _matmul_rate(side: int = 8192) -> float:
    """Return what the card reaches in a large float16 matrix product, FLOP a second."""
    one, other = (torch.randn(side, side, device="cuda", dtype=torch.float16) for _ in range(2))
    for _ in range(3):
        one @ other
    spent = _timed(lambda: [one @ other for _ in range(20)]) / 20
    return 2 * side**3 / spent


def _unet_flops(pipe: Any) -> float:
    """Return FLOP of one UNet call for one image."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        pipe(PROMPT, num_inference_steps=1, guidance_scale=0, output_type="latent")
    return float(counter.get_total_flops())
