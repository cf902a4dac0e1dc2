"""The tests of what is answered without torch can fail: their harness sees what a run imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.test_no_torch import forked, run


def test_the_harness_sees_torch(tmp_path: Path) -> None:
    assert "torch" in run(tmp_path, "import torch").imported


@pytest.mark.slow  # imports all that a run does
def test_the_harness_sees_what_a_run_imports_and_leaves(tmp_path: Path) -> None:
    (done,) = forked(tmp_path, [["hydra.run.dir=made"]]).values()
    assert (done.status, Path(done.out.strip()).name) == (0, "000.png"), done.err
    assert {"torch", "diffusers", "transformers"} <= set(done.imported)
    assert {"made", "made/000.png", "made/run.json"} <= set(done.files)
