"""Runs of tcdflow, and the images that they and the scripts are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tcdflow
from tcdflow.engine.result import Result
from tests.helpers import Write
from tests.standins import Family, LoraKind, StandIns

__all__ = ["Run", "Thin", "Write"]

Run = Callable[..., Result]
Thin = Callable[[Family, LoraKind], Path]


@pytest.fixture
def run(standins: StandIns, tmp_path: Path) -> Run:
    """Make a run as a user's program does, on the CPU; the engine stays warm from test to test."""
    made = iter(range(1000))

    def runs(*overrides: str, config_dir: Path | None = None) -> Result:
        where = f"hydra.run.dir={tmp_path / f'run{next(made)}'}"
        return tcdflow.run(*overrides, "runtime.device=cpu", where, config_dir=config_dir)

    return runs


@pytest.fixture(scope="session")
def thin(standins: StandIns) -> Thin:
    """LoRAs with few layers; three of the guide's scripts, and those of each family, are compared with whole ones."""
    return standins.thin_lora_file


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image whose size and shape are not those of a run: coarse blocks of colour, with noise on them."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (5, 7, 3)).repeat(16, 0).repeat(16, 1)
    return _saved(blocks + rng.integers(-20, 20, blocks.shape), tmp_path_factory, "photo.png")


@pytest.fixture(scope="session")
def second_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one."""
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (6, 4, 3)).repeat(20, 0).repeat(20, 1)
    return _saved(blocks + rng.integers(-20, 20, blocks.shape), tmp_path_factory, "second.png")


@pytest.fixture(scope="session")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mask for ``photo``: white off the middle, with a slanting edge."""
    y, x = np.mgrid[:80, :112]
    return _saved((x + y // 2 > 70) * 255, tmp_path_factory, "mask.png")


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White lines on black, 96 × 64: a control image that is given as it is decides the size of a run."""
    y, x = np.mgrid[:64, :96]
    return _saved(((x - y) % 23 < 2) * 255, tmp_path_factory, "edges.png")


def _saved(values: np.ndarray, factory: pytest.TempPathFactory, name: str) -> Path:
    path = factory.mktemp("pictures") / name
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB").save(path)
    return path
