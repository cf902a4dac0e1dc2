"""A base of the real size on a CPU against the tightest script: seconds, CPU seconds and memory of whole processes.

``python -m tests.benchmarks full`` makes a base of SD 1.5 (2 GB, random weights) in a temporary folder; all of it takes
a quarter of an hour. Its parts are ``full.run``, ``full.sweep`` and ``full.hash``. The folder that ``FULL_BASES`` names
keeps the base from one part to the next. Images are small and steps few, since what they take is
the model's own work on both sides. The script computes with as many threads, which spin as briefly.

``--base sdxl`` does the same with SDXL (7 GB), for which a machine needs 24 GB of memory that nobody else wants.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageChops

from tcdflow.engine.threads import SPINS
from tcdflow.files.hashes import sha256_of
from tests.benchmarks.spend import Spent, spend
from tests.benchmarks.table import Figure, Row, compare
from tests.helpers import environment

if TYPE_CHECKING:
    from tests.standins.full import Size

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
    size: Size = "sd15"
    dtype: str = "float32"
    side: int = 256
    fuse: bool = True
    etas: Sequence[float] = (0.3,)


@dataclass(frozen=True)
class Cost:
    """What a whole process took, and its seconds by stage."""

    spent: Spent
    stages: dict[str, float]


Work = Callable[[Case, Path], Cost]
_TITLES: dict[Size, str] = {"sd15": "SD 1.5", "sdxl": "SDXL"}


def run(base: Size = "sd15", rounds: int = ROUNDS) -> list[Row | Figure]:
    """Measure all parts: the sweeps once, all else as often as `rounds` says."""
    return [*run_one(base, rounds), *run_sweep(base), *run_hash(base, rounds)]


def run_one(base: Size = "sd15", rounds: int = ROUNDS) -> list[Row | Figure]:
    """One run in float32, which hashes its files: its process, its memory, its stages."""
    with _bases(base) as (folder, loras):
        ours, other = _pairs(Case(folder, loras[:1], base), by_run, by_script, rounds)
    what = f"{_TITLES[base]}, float32, one image and all files hashed"
    return [*_process(what, ours, other), *_stages(ours, other)]


def run_sweep(base: Size = "sd15", rounds: int = 1) -> list[Row | Figure]:
    """Sweeps of two images: of one fused stack, of two, of two that are not fused."""
    with _bases(base) as (folder, loras):
        sweeps = {
            "with one fused stack": Case(folder, loras[:1], base, etas=(0.3, 0.5)),
            "of two fused stacks, all restored exactly (not so the script's)": Case(folder, loras, base),
            "of two LoRAs that are not fused": Case(folder, loras, base, fuse=False),
        }
        costs = {what: _pairs(case, by_sweep, by_script, rounds) for what, case in sweeps.items()}
    rows = [_process(f"{_TITLES[base]}, a sweep of two images {what}", *pair) for what, pair in costs.items()]
    return [row for part in rows for row in part]


def run_hash(base: Size = "sd15", rounds: int = ROUNDS) -> list[Row | Figure]:
    """Hashing a base on the threads that a run uses, against reading it on as many, and SHA-256 by itself."""
    with _bases(base) as (folder, _):
        files = [path for path in folder.rglob("*") if path.is_file()]
        largest = max(path.stat().st_size for path in files)

        def hashed() -> float:
            return _on_threads(lambda path: path.open("rb", buffering=0), files, sha256_of)

        def read() -> float:
            return _on_threads(lambda path: path.open("rb", buffering=0), files, _drain)

        times = compare({"hashed": hashed, "read": read, "alone": lambda: _sha256_of(largest)}, rounds)
    what = f"{_TITLES[base]}, hashing its {sum(path.stat().st_size for path in files) / GB:.1f} GB, seconds"
    return [
        Row(f"{what}, against reading them (from memory)", times["hashed"], times["read"]),
        Row("... against SHA-256 of as many bytes as its largest file has", times["hashed"], times["alone"]),
    ]


def by_run(case: Case, where: Path) -> Cost:
    """A run that has to hash its files, as the first one has."""
    more = [f"loras.tcd.source={case.loras[0]}", f"hydra.run.dir={where / 'made'}"]
    spent = spend(_command(case, more), _variables(TCDFLOW_CACHE=str(where / "cache")))
    record = json.loads((where / "made" / "run.json").read_text("utf-8"))
    (where / "made" / "000.png").replace(where / "0.png")
    return Cost(spent, record["execution"]["seconds"])


def by_sweep(case: Case, where: Path) -> Cost:
    """The cells of a sweep."""
    sources, etas = ",".join(map(str, case.loras)), ",".join(map(str, case.etas))
    axes = ["-m", f"loras.tcd.source={sources}", f"sampling.eta={etas}", f"hydra.sweep.dir={where / 'made'}"]
    return Cost(spend(_command(case, axes), _variables(TCDFLOW_CACHE=str(where / "cache"))), {})


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
    spent = spend([sys.executable, str(script), json.dumps(settings)], _variables(GOMP_SPINCOUNT=SPINS))
    return Cost(spent, json.loads(spent.printed.splitlines()[-1]))


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


def _variables(**more: str) -> dict[str, str]:
    return environment({"TCDFLOW_WARM": "0"} | more)


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
        Row(f"{what}: whole process, seconds", [one.spent.wall for one in ours], [one.spent.wall for one in other]),
        Row("... CPU seconds", [one.spent.cpu for one in ours], [one.spent.cpu for one in other]),
        Row("... peak memory, GB", [one.spent.memory for one in ours], [one.spent.memory for one in other]),
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


def _sha256_of(count: int) -> float:
    """Return the seconds for that many bytes that lie in memory: no file is hashed faster, and none by two threads."""
    block = bytes(1 << 18)
    digest = hashlib.sha256()
    start = time.perf_counter()
    for _ in range(count // len(block)):
        digest.update(block)
    return time.perf_counter() - start


@contextmanager
def _bases(size: Size) -> Iterator[tuple[Path, list[Path]]]:
    """Give a base and LoRAs for it, made where nobody has made them yet."""
    from tests.standins.full import build_full, build_full_lora

    kept = os.environ.get("FULL_BASES")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(kept or temporary)
        base = folder / size
        loras = [folder / f"{size}_{seed}.safetensors" for seed in LORAS]
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as maker:  # gives its gigabytes back as it ends
            if not (base / "model_index.json").exists():
                maker.submit(build_full, size, base).result()
            for seed, lora in zip(LORAS, loras, strict=True):
                if not lora.exists():
                    maker.submit(build_full_lora, base, lora, seed=seed).result()
        yield base, loras
