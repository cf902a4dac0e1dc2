"""How far the images of a batch are from those made one by one."""

from __future__ import annotations

import numpy as np

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tests.benchmarks.table import Figure
from tests.helpers import prepared

IMAGES = 32
SIZES = (2, 4, 16)


def run() -> list[Figure]:
    """Make the same images of the embedded model in batches of several sizes."""
    engine, composer = Engine(), Composer()

    def made(size: int) -> np.ndarray:
        said = ["prompt=a fox on a green background", f"sampling.num_images={IMAGES}", f"runtime.batch_size={size}"]
        job = prepared(composer.compose(said))
        pictures = [one.frames[0] for one in engine.run(job.spec, job.files).samples]
        return np.stack([np.asarray(image, np.int16) for image in pictures])

    alone = made(1)
    apart = {size: np.abs(made(size) - alone) for size in SIZES}
    pixels = alone[..., 0].size
    return [
        Figure(
            f"images of {IMAGES} that are not those made alone, in batches of 2, 4, 16",
            [float(gap.any(axis=(1, 2, 3)).sum()) for gap in apart.values()],
            "",
        ),
        Figure(f"pixels of {pixels} in which", [float(gap.any(axis=3).sum()) for gap in apart.values()], ""),
        Figure("by how much at the most, of 255", [float(gap.max()) for gap in apart.values()], "2"),
    ]
