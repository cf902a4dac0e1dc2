"""10,000 cells of the embedded model, from the command to its gallery: the memory that each thousand takes."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.table import Figure
from tests.helpers import environment

CELLS = 10_000
EVERY = 1000


def run(cells: int = CELLS) -> list[Figure]:
    """Run the command and look at its memory whenever it has made a thousand more."""
    axes = [f"sampling.seed=range({cells // 10})", "sampling.eta=range(0,1,0.1)"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "tcdflow", "-m", *axes, f"hydra.sweep.dir={folder}/sweep"],
            env=environment({"TCDFLOW_WARM": "0"}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        resident: list[float] = []
        peak = made = 0.0
        for made, _ in enumerate(process.stdout, 1):  # a line an image
            if made % EVERY == 0:
                resident.append(_megabytes(process.pid, "VmRSS"))
                peak = _megabytes(process.pid, "VmHWM")
                print(
                    f"scale: {made} cells, {resident[-1]:.0f} MB, {time.perf_counter() - start:.0f} s", file=sys.stderr
                )
        assert process.wait(1200) == 0 and made == cells
        seconds = time.perf_counter() - start
        assert (Path(folder) / "sweep" / "index.html").exists()
    growth = [1024 * (b - a) / EVERY for a, b in itertools.pairwise(resident[1:])]
    return [
        Figure(f"{cells} cells from the command to the gallery, seconds", [seconds], "30 ms a cell"),
        Figure("... memory after each thousand, MB", resident, ""),
        Figure("... growth a cell after the first 2,000, kB", growth, "10"),
        Figure("... peak before the last page, MB", [peak], ""),
    ]


def _megabytes(pid: int, what: str) -> float:
    found = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
