"""Distillations small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tcdflow.config.distill import DistillComposer
from tcdflow.distill.prepare import DistillRequest, PreparedDistillation, prepare, with_files
from tcdflow.distill.record import DistillRecord

SMALL = (
    *("distill.rank=2", "distill.batch=2", "distill.steps=4", "distill.checkpoint.every=2"),
    *("distill.validation.every=0", "data.steps=1"),
)

Prepare = Callable[..., PreparedDistillation]
Distil = Callable[..., DistillRecord]


@pytest.fixture(scope="session")
def distiller() -> DistillComposer:
    return DistillComposer()


@pytest.fixture(scope="session")
def prepare_small(distiller: DistillComposer) -> Prepare:
    """Prepare a small distillation, with overrides on top."""

    def prepare_small(*overrides: str) -> PreparedDistillation:
        composed = distiller.distillation([*SMALL, *overrides])
        return with_files(prepare(DistillRequest.composed(composed)), lambda done, total: None)

    return prepare_small


@pytest.fixture(scope="session")
def distil_small(prepare_small: Prepare) -> Distil:
    """Execute a small distillation in this process."""
    from tcdflow.distill.run import Progress, distil

    warned: list[str] = []
    silent = Progress(lambda d, t: None, lambda d: None, lambda d: None, lambda: None, warned.extend)

    def distil_small(path: Path, *overrides: str) -> DistillRecord:
        record = distil(path, prepare_small(*overrides), silent)
        assert record is not None
        return record

    return distil_small
