"""SDXL at its real size on the card, 1024 × 1024 in four steps, against the tightest script; random weights.

Without a card there is nothing to measure: the benchmark says so and gives no row. A part that fails, for want of
memory or of a compiler, is told and the next one begins; none begins once the time is over.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch

from tcdflow.engine.result import Result
from tcdflow.engine.watch import peak_memory
from tests.benchmarks.gpu_sides import Case, Ours, Script, matmul_rate, timed
from tests.benchmarks.table import Figure, Row, compare
from tests.fidelity.same import equal
from tests.standins.full import build_full, build_full_lora

ROUNDS = 3
LOADS = 2
BATCHES = (1, 4, 16)
COMPILED = (1, 4)
SECONDS = 240.0
"""After which no part begins, so that all of ``make gpu`` takes under eight minutes."""
OPTIONS = (
    "runtime.channels_last=true",
    "compiled",
    "runtime.offload=model",
    "runtime=low_memory",
    "runtime.offload=group",
    "runtime.layerwise_casting=float8_e4m3fn",
    "runtime.vae_tiling=true",
    "runtime.offload=sequential",
)
GB = 1e9

Rows = Iterator[Row | Figure]
Part = Callable[[], Rows]


def run() -> Rows:
    """Measure load, images by batch size, dtype and compilation, switches of LoRAs, and what the options change."""
    if not torch.cuda.is_available():
        print("gpu: no CUDA device, nothing is measured")
        return
    print(f"gpu: {torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    guard = Guard(SECONDS)
    with tempfile.TemporaryDirectory() as name:
        base = build_full("sdxl", Path(name) / "base", device="cuda")
        loras = [build_full_lora(base, Path(name) / f"{seed}.safetensors", seed=seed) for seed in (1, 2)]
        yield from measured(Case(base, loras), guard)


class Guard:
    """Runs parts: goes on after one that fails, and begins none when the time is over.

    Args:
        seconds: that there are for all.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.failed: list[str] = []

    def __call__(self, what: str, part: Part) -> Rows:
        if time.monotonic() > self._end:
            _tell(f"{what}: left out, the time is over")
            return
        try:
            yield from part()
        except Exception as error:
            self.failed.append(what)
            _tell(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        release()


def measured(case: Case, guard: Guard, batches: Sequence[int] = BATCHES, compiled: Sequence[int] = COMPILED) -> Rows:
    """Measure all parts, what matters most first."""
    parts: dict[str, Part] = {
        "loading": partial(loading, case),
        "images": partial(images, case, batches),
        "images, compiled": partial(images, case, compiled, compiled=True),
        "images in bfloat16": partial(images, replace(case, dtype="bfloat16"), batches[:1]),
        "switches, fused": partial(switches, case, fuse=True),
        "switches, unfused": partial(switches, case, fuse=False),
    }
    for what, part in parts.items():
        yield from guard(what, part)
    yield from options(case, guard)


def loading(case: Case) -> Rows:
    """The first image of a process that has imported everything: load, LoRA, one image."""
    peaks: dict[str, list[float]] = {"ours": [], "other": []}

    def ours() -> float:
        release()
        # The engine's own peak is that of its images: here loading counts, as it does for the script.
        with Ours(case, reusable=False) as engine, patch.object(torch.cuda, "reset_peak_memory_stats"):
            return told("ours", timed(engine.made, case.where))

    def other() -> float:
        release()
        return told("other", timed(lambda: Script(case).made(), case.where))

    def told(side: str, seconds: float) -> float:
        peaks[side].append(peak_memory(case.where) / GB)
        return seconds

    times = compare({"ours": ours, "other": other}, LOADS)
    yield Row("SDXL: load, LoRA and first image, seconds", times["ours"], times["other"])
    yield Row("... peak memory, GB", peaks["ours"][1:], peaks["other"][1:])


def images(case: Case, batches: Sequence[int], *, compiled: bool = False) -> Rows:
    """Images with new prompts, a warm engine against a loaded pipeline; what the UNet reaches of the card."""
    script, how = Script(case), [case.compiled] if compiled else []
    flops, rate = script.unet_flops(), matmul_rate(case)
    if compiled:
        script.compile()
    with Ours(case) as engine:
        for count in batches:
            pair = _Pair(case, engine, how, script, count)
            times = compare({"ours": pair.ours, "other": pair.other}, ROUNDS)
            what = f"SDXL {case.side}², {case.dtype}{', blocks compiled' if compiled else ''}, batch {count}"
            yield Row(f"{what}: an image with its file, seconds", times["ours"], times["other"])
            yield Row("... peak memory beside the weights, GB", pair.peaks[0][1:], pair.peaks[1][1:])
            spent = [one.record.execution["seconds"]["denoise"] for one in pair.made[1:]]
            reached = [100 * case.steps * count * flops / seconds / rate for seconds in spent]
            yield Figure(f"{what}: the UNet, % of the card's rate in large products", reached, "none")
            yield Figure(f"{what}: images unlike the script's", pair.unlike[1:], "0")


class _Pair:
    """Both sides with the same new prompt each time, both of which encode it once for all images of a batch."""

    def __init__(self, case: Case, engine: Ours, how: Sequence[str], script: Script, count: int) -> None:
        self.made: list[Result] = []
        self.peaks: tuple[list[float], list[float]] = ([], [])
        self.unlike: list[float] = []
        self._case, self._engine, self._how, self._script, self._count = case, engine, how, script, count

    def ours(self) -> float:
        before, start = _held(self._case), time.perf_counter()
        self.made.append(self._engine.made(*self._how, prompt=f"a red fox {len(self.made)}", count=self._count))
        seconds = time.perf_counter() - start
        self.peaks[0].append((self.made[-1].record.execution["peak_memory_bytes"] - before) / GB)
        return seconds / self._count

    def other(self) -> float:
        _reset()
        before, start = _held(self._case), time.perf_counter()
        images = self._script.made(f"a red fox {len(self.made) - 1}", self._count)
        seconds = time.perf_counter() - start
        self.peaks[1].append((peak_memory(self._case.where) - before) / GB)
        self.unlike.append(sum(not equal(*two) for two in zip(self.made[-1].images, images, strict=True)))
        return seconds / self._count


def switches(case: Case, *, fuse: bool) -> Rows:
    """Images with one LoRA after the other, and whether the first one comes again bit for bit."""
    how = f"lora_stack.fuse={str(fuse).lower()}"
    with Ours(case) as engine:
        first = engine.made(how, lora=0)
        engine.made(how, lora=1)
        switched = [timed(partial(engine.made, how, lora=n % 2), case.where) for n in range(2 * ROUNDS)]
        again = engine.made(how, lora=0)
        stay = [timed(partial(engine.made, how, lora=0), case.where) for _ in range(ROUNDS)]
    what = f"SDXL, {'fused' if fuse else 'unfused'}"
    yield Row(f"{what}: an image with another LoRA, against the same again, seconds", switched, stay)
    yield Figure(f"{what}: images unlike after a switch and back", [not equal(first.images[0], again.images[0])], "0")


def options(case: Case, guard: Guard) -> Rows:
    """What each option takes and saves, and which of them the presets should have."""
    costs: dict[str, tuple[list[float], list[float]]] = {}

    def measure(option: str) -> Rows:
        how = case.compiled if option == "compiled" else option
        with Ours(case) as engine:
            engine.made(how)
            made: list[Result] = []
            seconds = [timed(lambda: made.append(engine.made(how)), case.where) for _ in range(ROUNDS)]
        costs[option] = seconds, [one.record.execution["peak_memory_bytes"] / GB for one in made]
        if plain := costs.get("runtime=auto"):
            yield Row(f"SDXL with {option}, against without, seconds", seconds, plain[0])
            yield Row("... peak memory, GB", costs[option][1], plain[1])

    for option in ("runtime=auto", *OPTIONS):
        yield from guard(option, partial(measure, option))
    if costs:
        fastest = min(costs, key=lambda option: min(costs[option][0]))
        least = min(costs, key=lambda option: max(costs[option][1]))
        _tell(f"these figures suggest {fastest} for a fast preset, and {least} for one of little memory")


def release() -> None:
    """Give back what an earlier part has held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    _reset()


def _reset() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _held(case: Case) -> int:
    return torch.cuda.memory_allocated() if case.device == "cuda" else 0


def _tell(text: str) -> None:
    print(f"gpu: {text}", file=sys.stderr, flush=True)
