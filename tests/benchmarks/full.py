"""A base of the real size on a CPU against the tightest script: seconds, CPU seconds and memory of whole processes.

``python -m tests.benchmarks full`` makes a base of SD 1.5 (2 GB, random weights) in a temporary folder; all of it takes
a quarter of an hour. Its parts are ``full.run``, ``full.sweep`` and ``full.hash``. The folder that ``FULL_BASES`` names
keeps the base from one part to the next. Images are small and steps few, since what they take is
the model's own work on both sides. The script computes with as many threads, which spin as briefly.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageChops

from tcdflow.engine.threads import SPINS
from tests.benchmarks.table import Figure, Row, compare
from tests.helpers import environment

ROUNDS = 3
STEPS = 2
LORAS = (1, 2)
"""Seeds of the LoRAs that a sweep switches between."""
GB = 1e9


@dataclass(frozen=True)
class Case:
    """What both sides are asked to do.

    Attributes:
        base: its folder.
        loras: one or several files; several are made one image each.
        size: of the base.
        dtype: that is computed in.
        side: of the image, in pixels.
        fuse: add the LoRA to the weights.
        etas: values of eta in a sweep: images of one stack.
    """

    base: Path
    loras: Sequence[Path]
    size: str = "sd15"
    dtype: str = "float32"
    side: int = 256
    fuse: bool = True
    etas: Sequence[float] = (0.3,)


@dataclass(frozen=True)
class Cost:
    """What a whole process took: wall and CPU seconds, peak memory in GB, seconds by stage."""

    wall: float
    cpu: float
    memory: float
    stages: dict[str, float]


Work = Callable[[Case, Path], Cost]


def run() -> list[Row | Figure]:
    """Measure all parts."""
    return [*run_one(), *run_sweep(), *run_hash()]


def run_one() -> list[Row | Figure]:
    """One run of SD 1.5 in float32, which hashes its files: its process, its memory, its stages."""
    with _bases("sd15") as (base, loras):
        ours, other = _pairs(Case(base, loras[:1]), by_run, by_script, ROUNDS)
    what = "SD 1.5, float32, one image and all files hashed"
    return [*_process(what, ours, other), *_stages(ours, other)]


def run_sweep() -> list[Row | Figure]:
    """Sweeps of two images: of one fused stack, of two."""
    with _bases("sd15") as (base, loras):
        one = _pairs(Case(base, loras[:1], etas=(0.3, 0.5)), by_sweep, by_script, 1)
        two = _pairs(Case(base, loras), by_sweep, by_script, 1)
    return [
        *_process("SD 1.5, a sweep of two images with one fused stack", *one),
        *_process("SD 1.5, a sweep of two fused stacks, all restored exactly (not so the script's)", *two),
    ]


def run_hash() -> list[Row | Figure]:
    """Hashing a base on the threads that a run uses, against reading it on as many."""
    with _bases("sd15") as (base, _):
        files = [path for path in base.rglob("*") if path.is_file()]

        def hashed() -> float:
            return _on_threads(lambda path: path.open("rb"), files, lambda file: hashlib.file_digest(file, "sha256"))

        def read() -> float:
            return _on_threads(lambda path: path.open("rb", buffering=0), files, _drain)

        times = compare({"hashed": hashed, "read": read}, ROUNDS)
    return [
        Row("SD 1.5, hashing its 2 GB, seconds, against reading them (from memory)", times["hashed"], times["read"])
    ]


def by_run(case: Case, where: Path) -> Cost:
    """A run that has to hash its files, as the first one has."""
    more = [f"loras.tcd.source={case.loras[0]}", f"hydra.run.dir={where / 'made'}"]
    cost, _ = _measured(_command(case, more), TCDFLOW_CACHE=str(where / "cache"))
    record = json.loads((where / "made" / "run.json").read_text("utf-8"))
    (where / "made" / "000.png").replace(where / "0.png")
    return replace(cost, stages=record["execution"]["seconds"])


def by_sweep(case: Case, where: Path) -> Cost:
    """The cells of a sweep."""
    sources, etas = ",".join(map(str, case.loras)), ",".join(map(str, case.etas))
    axes = ["-m", f"loras.tcd.source={sources}", f"sampling.eta={etas}", f"hydra.sweep.dir={where / 'made'}"]
    return _measured(_command(case, axes), TCDFLOW_CACHE=str(where / "cache"))[0]


def by_script(case: Case, where: Path) -> Cost:
    """The tightest script."""
    settings = {
        "base": str(case.base),
        "cells": [(str(lora), eta) for lora in case.loras for eta in case.etas],
        "size": case.size,
        "dtype": case.dtype,
        "side": case.side,
        "fuse": case.fuse,
        "steps": STEPS,
        "prompt": "a red fox",
        "out": str(where),
    }
    script = Path(__file__).with_name("full_script.py")
    cost, text = _measured([sys.executable, str(script), json.dumps(settings)], GOMP_SPINCOUNT=SPINS)
    return replace(cost, stages=json.loads(text.splitlines()[-1]))


def _command(case: Case, more: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "tcdflow", *[flag for flag in more if flag == "-m"]),
        f"base={case.size}",
        f"base.source={case.base}",
        "prompt=a red fox",
        f"sampling.steps={STEPS}",
        f"sampling.width={case.side}",
        f"sampling.height={case.side}",
        f"runtime.dtype={case.dtype}",
        f"lora_stack.fuse={str(case.fuse).lower()}",
        *[text for text in more if text != "-m"],
    ]


def _measured(command: Sequence[str], **variables: str) -> tuple[Cost, str]:
    """Return what a command took, by what the kernel counted of it, and what it said."""
    env = environment({"TCDFLOW_WARM": "0"} | variables)
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
    assert process.returncode == 0, text
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / GB, {}), text


def _pairs(case: Case, ours: Work, other: Work, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Alternate the two, and which of them goes first; of runs make sure that both made the same image."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            places = [_fresh(folder, side) for side in ("ours", "other")]
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                costs[side].append((ours, other)[side](case, places[side]))
            if ours is by_run:
                one, two = (Image.open(place / "0.png") for place in places)
                assert ImageChops.difference(one, two).getbbox() is None, "the two images differ"
    return costs


def _fresh(folder: str, name: str) -> Path:
    made = Path(folder) / name
    made.mkdir()
    return made


def _process(what: str, ours: Sequence[Cost], other: Sequence[Cost]) -> list[Row | Figure]:
    return [
        Row(f"{what}: whole process, seconds", [one.wall for one in ours], [one.wall for one in other]),
        Row("... CPU seconds", [one.cpu for one in ours], [one.cpu for one in other]),
        Row("... peak memory, GB", [one.memory for one in ours], [one.memory for one in other]),
    ]


def _stages(ours: Sequence[Cost], other: Sequence[Cost]) -> list[Row | Figure]:
    def row(what: str, stage: str, by: int = 1) -> Row:
        return Row(f"... {what}", *([cost.stages[stage] / by for cost in costs] for costs in (ours, other)))

    return [
        row("loading, seconds", "load"),
        row("the LoRA, loaded and fused, seconds", "loras"),
        row("a step, seconds", "denoise", STEPS),
        row("decoding, seconds", "decode"),
    ]


def _on_threads(opened: Callable[[Path], IO[bytes]], files: Sequence[Path], work: Callable[[Any], object]) -> float:
    def one(path: Path) -> None:
        with opened(path) as file:
            work(file)

    start = time.perf_counter()
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, files))
    return time.perf_counter() - start


def _drain(file: Any) -> None:
    buffer = bytearray(1 << 18)
    while file.readinto(buffer):
        pass


@contextmanager
def _bases(size: Any) -> Iterator[tuple[Path, list[Path]]]:
    """Give a base and LoRAs for it, made where nobody has made them yet."""
    from tests.standins.full import build_full, build_full_lora

    kept = os.environ.get("FULL_BASES")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(kept or temporary)
        base = folder / size
        if not (base / "model_index.json").exists():
            build_full(size, base)
        loras = [folder / f"{size}_{seed}.safetensors" for seed in LORAS]
        for seed, lora in zip(LORAS, loras, strict=True):
            if not lora.exists():
                build_full_lora(base, lora, seed=seed)
        yield base, loras
