"""The private parts that ``tcdflow/libraries`` leans on are there: one that an upgrade took away is named here."""

from __future__ import annotations

import importlib
import sys
from io import StringIO

import pytest
from hydra.core.utils import JobReturn, JobStatus

from tcdflow.libraries.hydra import JOB_LINE, without_job_lines
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
