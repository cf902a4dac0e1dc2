"""The benchmark of a card, in small: each of its parts measures, and one that fails takes no other with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import gpu
from tests.benchmarks.gpu import Guard, Rows
from tests.benchmarks.gpu_sides import Case
from tests.benchmarks.table import Figure, Row, brief, show
from tests.standins import StandIns

pytestmark = pytest.mark.gpu


@pytest.fixture
def case(standins: StandIns, device: str) -> Case:
    loras = [standins.lora_file("sdxl", "tcd"), standins.lora_file("sdxl", "style")]
    dtype = "float16" if device == "cuda" else "float32"
    return Case(standins.sdxl, loras, device, dtype, side=64, steps=2, backend="eager", product=64)


def test_all_parts_measure(case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ROUNDS", 1)
    monkeypatch.setattr(gpu, "LOADS", 1)
    guard = Guard(600)
    rows = list(gpu.measured(case, guard, batches=(1, 2), compiled=(1,)))
    only_on_a_card = [one for one in gpu.OPTIONS if "offload" in one or "low_memory" in one]
    assert guard.failed == ([] if case.device == "cuda" else only_on_a_card), capsys.readouterr().err
    unlike = [row for row in rows if isinstance(row, Figure) and "unlike" in row.what and "bfloat16" not in row.what]
    assert len(unlike) == 5
    assert all(set(row.values) == {0} for row in unlike), show(unlike)
    rates = [row for row in rows if isinstance(row, Figure) and "rate" in row.what]
    assert all(value > 0 for row in rates for value in row.values)
    assert "these figures suggest" in capsys.readouterr().err


def test_a_part_that_fails_is_told_and_the_next_begins(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> Rows:
        yield Row("first", [1.0], [1.0])
        raise MemoryError("no\nroom")

    guard = Guard(600)
    assert [row.what for row in guard("large", fails)] == ["first"]
    assert capsys.readouterr().err == "gpu: large: MemoryError: no room\n"
    assert len(list(guard("small", lambda: iter([Row("second", [1.0], [1.0])])))) == 1
    assert guard.failed == ["large"]


def test_what_was_measured_stands_in_one_line() -> None:
    assert (
        brief(Row("an image", [1.0, 2.0, 3.0], [4.0]))
        == "an image: 2.000 (1.000 to 3.000) against 4.000 (4.000 to 4.000): 0.50"
    )
    assert brief(Figure("unlike", [0.0], "0")) == "unlike: 0.000 (0.000 to 0.000)"


def test_no_part_begins_when_the_time_is_over(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert list(Guard(-1)("late", lambda: iter([Row("late", [1.0], [1.0])]))) == []
    assert capsys.readouterr().err == "gpu: late: left out, the time is over\n"
