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


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of " * 9),
        ("RuntimeError", "MPS backend out of memory (MPS allocated: 8.00 GB)"),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
    ],
)
def test_of_torch_it_says_what_takes_less(kind: str, text: str) -> None:
    told = message(type(kind, (RuntimeError,), {})(text))
    assert told.startswith(f"tcdflow: failed: out of memory ({text[:100]}"[:130])
    assert told.endswith("); a smaller image or runtime.batch_size takes less, and on a card runtime=low_memory")
    assert len(told) < 260
