"""10,000 cells of the embedded model, from the command to its gallery: the memory that each tenth of them takes."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.spend import started
from tests.benchmarks.table import Figure
from tests.helpers import environment

CELLS = 10_000
BATCH = 16
"""Of images that share calls, since they are not what is looked at: a third of the time."""


def run(cells: int = CELLS) -> list[Figure]:
    """Run the command on a multiple of 100 cells, and look at its memory whenever it has made a tenth more."""
    tenth = cells // 10
    axes = [f"sampling.seed=range({tenth})", "sampling.eta=range(0,1,0.1)", f"runtime.batch_size={BATCH}"]
    resident: list[float] = []
    peak = made = 0.0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tcdflow", "-m", *axes, f"hydra.sweep.dir={folder}/sweep"]
        env = environment({"TCDFLOW_WARM": "0"})
        start = time.perf_counter()
        with started(command, env, out=subprocess.PIPE) as process:
            assert process.stdout is not None
            for made, _ in enumerate(process.stdout, 1):  # a line an image
                if made % tenth == 0:
                    resident.append(_megabytes(process.pid, "VmRSS"))
                    peak = _megabytes(process.pid, "VmHWM")
                    seconds = time.perf_counter() - start
                    print(f"scale: {made} cells, {resident[-1]:.0f} MB, {seconds:.0f} s", file=sys.stderr)
            assert process.wait(600) == 0 and made == cells
        seconds = time.perf_counter() - start
        assert (Path(folder) / "sweep" / "index.html").exists()
    growth = 1024 * (resident[-1] - resident[1]) / (8 * tenth)
    return [
        Figure(f"{cells} cells in batches of {BATCH}, from the command to the gallery, seconds", [seconds], ""),
        Figure("... memory after each tenth, MB", resident, ""),
        Figure("... growth a cell after the first two tenths, kB", [growth], "10"),
        Figure("... peak before the last page, MB", [peak], ""),
    ]


def _megabytes(pid: int, what: str) -> float:
    found = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
