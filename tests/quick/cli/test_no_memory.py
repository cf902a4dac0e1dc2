"""Memory that runs out is one line, also where it does while a library is imported."""

from __future__ import annotations

import pytest

from tcdflow.cli.command import dispatch


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_it_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(argv: object) -> int:
        raise error

    monkeypatch.setattr("tcdflow.cli.check.main", fail)
    assert dispatch(["check"]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("tcdflow: failed: out of memory (")
