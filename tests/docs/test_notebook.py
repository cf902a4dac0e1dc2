"""The notebook and the page of the library run in a real kernel, and the kernel's interrupt ends a sweep cleanly."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.docs.pages import ROOT, Page
from tests.helpers import environment, until

FORMAT: Any = nbformat  # typed in part
NOTEBOOK = ROOT / "docs" / "first_sweep.ipynb"


class Kernel:
    """A notebook's kernel, and what its cells have shown."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self.shown: list[dict[str, Any]] = []

    def run(self, *cells: str) -> None:
        """Run cells.

        Raises:
            CellExecutionError: if one fails.
        """
        for source in cells:
            cell = FORMAT.v4.new_code_cell(source)
            self._client.nb.cells.append(cell)
            try:
                self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
            finally:
                self.shown += [dict(output) for output in cell.outputs]

    def data(self, kind: str) -> list[str]:
        """Return what was shown as a kind of MIME."""
        return [output["data"][kind] for output in self.shown if kind in output.get("data", {})]

    def interrupt(self) -> None:
        """Interrupt what it runs, as the button does."""
        km: Any = self._client.km
        os.kill(km.provisioner.pid, signal.SIGINT)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(at: Path) -> Iterator[Kernel]:
    """A kernel that has run the notebook."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(at / name.lower()))
        client = NotebookClient(
            FORMAT.v4.new_notebook(), timeout=120, kernel_name="python3", resources={"metadata": {"path": str(at)}}
        )
        env = environment({"OMP_NUM_THREADS": "1"})
        with client.setup_kernel(env=env):
            found = Kernel(client)
            found.run(*(cell.source for cell in read().cells if cell.cell_type == "code"))
            yield found


def read() -> Any:
    return FORMAT.read(NOTEBOOK, as_version=4)


def test_it_is_small_and_carries_no_output() -> None:
    FORMAT.validate(read())
    assert NOTEBOOK.stat().st_size < 20_000
    assert all(not cell.outputs and cell.execution_count is None for cell in read().cells if cell.cell_type == "code")


def test_it_shows_images_and_bars(kernel: Kernel, at: Path) -> None:
    tables = [shown for shown in kernel.data("text/html") if "<table" in shown]
    assert len(tables) >= 3 and tables[0].count("<img") == 12 and "a panda" in tables[0]
    assert len(kernel.data("image/png")) == 1
    bars = "".join(output["text"] for output in kernel.shown if output["output_type"] == "stream")
    assert re.search(r"cells: .*step \d/4", bars) and "rning" not in bars
    assert (at / "outputs/sweeps/notebook/index.html").is_file()


def test_what_the_page_says_runs(kernel: Kernel, at: Path) -> None:
    blocks = Page(ROOT / "docs" / "library.md").blocks("python")
    assert blocks
    kernel.run(*blocks)
    assert (at / "figure.png").is_file()


def test_its_interrupt_leaves_true_records_and_the_next_cell_goes_on(kernel: Kernel, at: Path) -> None:
    sweep = 'results = tcdflow.sweep("sampling.seed=range(12)", "hydra.sweep.dir=stopped")'
    there = at / "stopped" / "cells"

    def stop() -> None:
        until(lambda: len(list(there.glob("*/000.png"))) > 2)
        kernel.interrupt()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt") as caught:
        kernel.run(sweep)
    thread.join()
    assert "of 12 cells done; go on with: tcdflow resume stopped" in str(caught.value)
    records = [json.loads(path.read_text("utf-8"))["status"] for path in there.glob("*/run.json")]
    assert set(records) <= {"done", "interrupted"} and records.count("interrupted") <= 1
    kernel.run(sweep, 'assert {image.status for image in results} == {"done"} and len(results) == 12')
