"""Pytest plugin that hands the stand-ins to tests, and imports torch only for a test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .store import StandIns, shared_root


@pytest.fixture(scope="session")
def standins() -> Iterator[StandIns]:
    """Stand-ins of the real repositories, in a folder shared with other sessions. Do not write in it.

    From here on torch runs on one thread, in this process and those it starts: for models this small a second
    thread only waits, and when other processes want the cores each step takes twenty times as long.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield StandIns(shared_root())
    torch.set_num_threads(threads)
