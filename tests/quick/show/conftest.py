"""Runs of the embedded model as they are recorded, without any model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.files.lock import lock
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tests.helpers import prepared

Recorded = Callable[..., Path]


@pytest.fixture
def recorded(tmp_path: Path, composer: Composer) -> Recorded:
    """Write the directory of a run: ``recorded("prompt=a fox")`` returns its path."""

    def write(*overrides: str, name: str = "run") -> Path:
        job = prepared(composer.compose(overrides))
        with RunDirectory.open(tmp_path / name, job.spec) as run:
            run.lock(lock(job.files))
            run.save([Sample((Image.new("RGB", (64, 64), "orange"),), seed) for seed in job.spec.sampling.seeds])
        return tmp_path / name

    return write
