"""A whole process of tcdflow against the smallest script that makes the same image, as it is and tuned."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageChops

from tcdflow import embedded
from tcdflow.engine.threads import SPINS
from tests.benchmarks.table import Row, compare
from tests.helpers import environment

ROUNDS = 7
TUNED = "import gc, os, runpy, sys; gc.disable(); sys.argv.pop(0); runpy.run_path(sys.argv[0]); os._exit(0)"
"""The same script with what tcdflow does to a process: no collector, threads that spin as briefly, no teardown."""


def run() -> list[Row]:
    """Alternate the two, and make sure that they made one image."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "by_hand.png"
        run_dir = Path(folder) / "run"
        script = Path(__file__).with_name("by_hand.py")
        files = [str(embedded.model_path("emoji")), str(embedded.lora_path("emoji")), str(image)]
        by_hand = [sys.executable, str(script), *files]
        tuned = [sys.executable, "-c", TUNED, str(script), *files]
        ours = [sys.executable, "-m", "tcdflow", "prompt=a red heart", f"hydra.run.dir={run_dir}"]
        subjects = {
            "tcdflow": lambda: timed(ours),
            "by hand": lambda: timed(by_hand),
            "tuned": lambda: timed(tuned, GOMP_SPINCOUNT=SPINS),
        }
        times = compare(subjects, ROUNDS)
        same = ImageChops.difference(Image.open(image), Image.open(run_dir / "000.png")).getbbox() is None
        assert same, "the two images differ"
        return [
            Row("one image, whole process, seconds, against a script", times["tcdflow"], times["by hand"]),
            Row("... against the script, tuned", times["tcdflow"], times["tuned"]),
        ]


def timed(command: list[str], **variables: str) -> float:
    """Return the seconds of a whole command, in a process of its own unless variables say otherwise."""
    env = environment({"TCDFLOW_WARM": "0"} | variables)
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - start
