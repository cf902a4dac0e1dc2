"""The private parts that ``tcdflow/libraries`` leans on are there: one that an upgrade took away is named here."""

from __future__ import annotations

import importlib
import sys
from io import StringIO
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus

from tcdflow.libraries.hydra import JOB_LINE, without_job_lines
from tests.helpers import python
from tests.quick.project.test_libraries import PRIVATE, UNDOCUMENTED

USES = PRIVATE | UNDOCUMENTED


@pytest.mark.parametrize("name", USES)
def test_it_is_still_there(name: str) -> None:
    library, *parts = name.split(".")
    there: object = importlib.import_module(library)
    path = library
    for part in parts:
        path += f".{part}"
        if not hasattr(there, part):
            try:
                importlib.import_module(path)
            except ImportError:
                pytest.fail(
                    f"this version of {library} has no {path}, which we use for {USES[name]}: "
                    "its module in tcdflow/libraries/ says what would replace it"
                )
        there = getattr(there, part)


def test_hydra_still_writes_the_line_that_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = JobReturn(overrides=["a=1"], status=JobStatus.FAILED)
    failed.return_value = ValueError("no")
    stderr = StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(ValueError, match="no"):
        _ = failed.return_value
    said = stderr.getvalue()
    assert said.startswith(JOB_LINE), f"hydra words it otherwise: tcdflow/libraries/hydra.py leaves out {JOB_LINE!r}"
    with pytest.raises(ValueError, match="no"), without_job_lines():
        sys.stderr.write("other\n")
        _ = failed.return_value
    assert stderr.getvalue() == said + "other\n"


def test_a_run_imports_no_scipy_and_what_uses_it_finds_it(tmp_path: Path) -> None:
    """Losses of object detection, beta sigmas and LMS: those that import it as they are imported."""
    code = """if True:
        import sys
        import tcdflow.engine.engine
        parts = ("scipy.integrate", "scipy.optimize", "scipy.stats")
        assert not set(parts) & sys.modules.keys()
        from diffusers import DPMSolverMultistepScheduler, LMSDiscreteScheduler
        from transformers.loss.loss_for_object_detection import linear_sum_assignment
        assert linear_sum_assignment([[1, 2], [0, 1]])[1].tolist() == [0, 1]
        DPMSolverMultistepScheduler(use_beta_sigmas=True).set_timesteps(3)
        lms = LMSDiscreteScheduler()
        lms.set_timesteps(3)
        assert round(lms.get_lms_coefficient(2, 1, 0), 2) == -3.46
        assert set(parts) <= sys.modules.keys()
    """
    assert (done := python("-c", code, cwd=tmp_path)).returncode == 0, done.stderr
