"""The gallery: a page of 5,000 images of 512 px the first time and the second, and what a live page costs a sweep."""

from __future__ import annotations

import hashlib
import random
import struct
import tempfile
import time
import zlib
from pathlib import Path

from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.gallery.live import LivePage
from tcdflow.gallery.write import gallery
from tcdflow.record import document
from tcdflow.sweeps import planner
from tcdflow.sweeps.directory import cell_path
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Plan
from tests.benchmarks.table import Figure, Row

SIDE = 512
AXES = ("sampling.eta=0,0.25,0.5,0.75,1", "sampling.steps=2,4", "prompt=a fox,a panda,a sun,a moon,a tree")
DISTINCT = 25


def run() -> list[Row | Figure]:
    """A hundred seeds, and the cells as they come of a sweep that is made already."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "sweep")
        plan = _synthetic(directory, 100)
        first, second = ([_seconds(directory)] for _ in range(2))
        second += [_seconds(directory) for _ in range(2)]
        each, pages = _live(plan, directory)
    return [
        Row("gallery of 5,000 images of 512 px, the second time against the first, seconds", second, first),
        Figure("gallery of 5,000 images of 512 px, the first time, seconds on two cores", first, "60"),
        Figure("gallery of 5,000 images of 512 px, the second time, seconds", second, "3"),
        Figure("a live page: milliseconds a cell, of its sweep's time", each, "1"),
        Figure("a live page of 5,000 cells, seconds; the next comes after a hundred times that", pages, "2"),
    ]


def _seconds(directory: Path) -> float:
    start = time.perf_counter()
    written = gallery([directory])
    assert (written.shown, written.lacking) == (5000, 0)
    return time.perf_counter() - start


def _live(plan: Plan, directory: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds that each cell costs where no page is due, and the seconds that a page takes."""
    outcomes = [Outcome(cell, "done", document.read(cell_path(directory, cell))) for cell in plan.cells]
    page = LivePage(plan, directory)
    start = time.perf_counter()
    for cell in plan.cells:
        page.take(Outcome(cell, "left"))
    page.advance()
    pages = [time.perf_counter() - start]
    start = time.perf_counter()
    for outcome in outcomes:
        page.take(outcome)
        page.advance()
    each = [(time.perf_counter() - start) / len(outcomes) * 1000]
    start = time.perf_counter()
    page.end(whole=False)
    return each, [*pages, time.perf_counter() - start]


def _synthetic(directory: Path, seeds: int) -> Plan:
    """Write a sweep whose records and images are whole, without making an image for each."""
    plan = planner.make(Composer(), [*AXES, f"sampling.seed=range({seeds})", "base.size=512"]).plan
    plan.write(directory)
    images = [_png(number) for number in range(DISTINCT)]
    for number, cell in enumerate(plan.cells):
        data, pixels = images[number % DISTINCT]
        data = _marked(data, number)
        path = cell_path(directory, cell)
        path.mkdir(parents=True)
        (path / "000.png").write_bytes(data)
        spec = plan.spec(cell)
        record = document.Record(
            key=cell.key,
            status="done",
            started="2026-11-27T12:00:00.000+00:00",
            spec=spec.model_dump(mode="json"),
            overrides=list(plan.overrides_of(cell)),
            lock=list(plan.lock),
            environment=plan.environment,
            execution={"seconds": {"denoise": 1.0, "decode": 0.5}, "metrics": {"sharpness": number % 97}},
            outputs=[
                document.Output(
                    file="000.png",
                    sha256=hashlib.sha256(data).hexdigest(),
                    pixel_sha256=pixels,
                    width=SIDE,
                    height=SIDE,
                    seed=spec.sampling.seeds[0],
                )
            ],
        )
        (path / document.FILE_NAME).write_bytes(record.encoded())
    return plan


def _png(number: int) -> tuple[bytes, str]:
    """Return an image with about the detail of a photograph, as bytes, and the hash of its pixels."""
    noise = random.Random(number).randbytes(48 * 48 * 3)
    image = Image.frombytes("RGB", (48, 48), noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    with tempfile.TemporaryFile() as file:
        image.save(file, format="PNG")
        file.seek(0)
        return file.read(), hashlib.sha256(image.tobytes()).hexdigest()


def _marked(png: bytes, number: int) -> bytes:
    """Return the same pixels as another file."""
    text = b"tEXtnumber\0" + str(number).encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return png[:-12] + chunk + png[-12:]
