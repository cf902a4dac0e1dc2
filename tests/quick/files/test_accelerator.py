"""The guess of half precision: what the settings say, and a look at the machine for ``auto``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tcdflow.files import accelerator
from tcdflow.files.accelerator import (
    computes_in_half,
    computes_on_cuda,
    cpu_has_bfloat16,
    missing_device,
    slow_on_cpu,
)
from tcdflow.files.resolve import resolve
from tcdflow.spec.model import RuntimeSpec

from .fakes import needed, pipeline, spec, write


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux machine whose one driver's file is where this path says; it is not there yet."""
    monkeypatch.setattr(accelerator, "DRIVERS", (str(tmp_path / "driver"),))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "driver"


@pytest.mark.parametrize(
    ("device", "dtype", "half"),
    [
        ("cpu", "auto", False),
        ("cuda", "auto", True),
        ("cuda:1", "auto", True),
        ("mps", "auto", True),
        ("cuda", "float32", False),
        ("cpu", "bfloat16", True),
        ("auto", "float16", True),
        ("auto", "float32", False),
    ],
)
def test_settings_decide_where_they_say_enough(device: str, dtype: str, half: bool, machine: Path) -> None:
    for driver in (False, True):
        if driver:
            machine.touch()
        assert computes_in_half(RuntimeSpec.model_validate({"device": device, "dtype": dtype})) is half


def test_auto_is_half_where_there_is_a_driver(machine: Path) -> None:
    assert not computes_in_half(RuntimeSpec())
    machine.touch()
    assert computes_in_half(RuntimeSpec())


@pytest.mark.parametrize(
    ("device", "torch", "cuda"),
    [("cpu", "2.9.0", False), ("cuda:1", "2.9.0", True), ("auto", "2.9.0", True), ("auto", "2.9.0+cpu", False)],
)
def test_what_computes_on_cuda(
    device: str, torch: str, cuda: bool, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "version", lambda name: torch)
    runtime = RuntimeSpec(device=device)
    assert computes_on_cuda(runtime) is (device == "cuda:1")
    machine.touch()
    assert computes_on_cuda(runtime) is cuda


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_are_not_there(hidden: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not computes_in_half(RuntimeSpec())


@pytest.mark.parametrize(("processor", "half"), [("arm64", True), ("x86_64", False)])
def test_apple_silicon(processor: str, half: bool, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: processor)
    assert computes_in_half(RuntimeSpec()) is half


def test_it_chooses_the_files_of_auto(machine: Path, tmp_path: Path) -> None:
    run = spec(str(write(tmp_path / "sd", pipeline()))).model_copy(update={"runtime": RuntimeSpec()})
    assert set(resolve(run).base.files) == needed()
    machine.touch()
    assert set(resolve(run).base.files) == needed(".fp16")
    assert set(resolve(run, half=False).base.files) == needed()


@pytest.mark.parametrize(
    ("device", "told"), [("cuda", True), ("cuda:1", True), ("mps", True), ("cpu", False), ("auto", False)]
)
def test_a_device_that_is_not_there_is_told(device: str, told: bool, machine: Path) -> None:
    runtime = RuntimeSpec(device=device)
    assert (f"runtime.device={device}: no such device" in (missing_device(runtime) or "")) == told
    machine.touch()
    assert (missing_device(runtime) is None) == (device != "mps")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("flags\t: fpu avx2 avx512f", True),
        ("flags\t: fpu avx512_bf16 avx2", False),
        ("Features\t: fp asimd bf16", False),
        ("Features\t: fp asimd", True),
        ("model name: bf16", False),
        (None, False),
    ],
)
def test_bfloat16_on_a_cpu_without_it(
    flags: str | None, told: bool, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    if flags is not None:
        info.write_text(f"processor: 0\n{flags}\n")
    monkeypatch.setattr(accelerator, "_CPUINFO", info)
    cpu_has_bfloat16.cache_clear()
    try:
        for device in ("cpu", "auto"):
            said = slow_on_cpu(RuntimeSpec(device=device, dtype="bfloat16")) or ""
            assert said.startswith("runtime.dtype=bfloat16: this CPU has no instructions") == told
        assert slow_on_cpu(RuntimeSpec(device="cpu")) is None
        assert slow_on_cpu(RuntimeSpec(device="cuda", dtype="bfloat16")) is None
        machine.touch()
        assert slow_on_cpu(RuntimeSpec(dtype="bfloat16")) is None
    finally:
        cpu_has_bfloat16.cache_clear()
