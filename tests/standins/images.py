"""Pytest plugin with images to give to runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


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
