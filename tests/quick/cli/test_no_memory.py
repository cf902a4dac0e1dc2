"""Memory that runs out is one line, also where it does while a library is imported."""

from __future__ import annotations

import pytest

from tcdflow.cli.command import dispatch, message


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


def test_of_a_card_it_says_what_takes_less() -> None:
    error = type("OutOfMemoryError", (RuntimeError,), {})(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has " * 9
    )
    told = message(error)
    assert told.startswith(
        "tcdflow: failed: out of memory on the card (CUDA out of memory. Tried to allocate 20.00 GiB."
    )
    assert told.endswith("...); runtime=low_memory, a smaller runtime.batch_size or a smaller image takes less")
