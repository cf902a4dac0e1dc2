"""The tests of what is answered without torch can fail: their harness sees what a run imports."""

from __future__ import annotations

from pathlib import Path

from tests.quick.cli.test_no_torch import run


def test_the_harness_sees_torch(tmp_path: Path) -> None:
    _, _, _, imported, _ = run(tmp_path, "-c", "import torch")
    assert "torch" in imported


def test_the_harness_sees_what_a_run_imports_and_leaves(tmp_path: Path) -> None:
    code, out, err, imported, files = run(tmp_path, "tcdflow", "hydra.run.dir=made")
    assert (code, Path(out.strip()).name) == (0, "000.png"), err
    assert {"torch", "diffusers", "transformers"} <= set(imported)
    assert {"made", "made/000.png", "made/run.json"} <= set(files)
