"""Metrics as parts: one that a test adds is allowed, measured, recorded and listed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.record.document import Record
from tcdflow.spec.metrics import METRICS, ExecutionMetric, ImageMetric, Scorer, metric_of, recorded_metrics
from tcdflow.spec.sweep import SweepSpec
from tcdflow.sweeps.metrics import measure, measured, value
from tcdflow.sweeps.results import columns
from tests.sweep.fake import Sweep


class Likeness(ImageMetric):
    """As a CLIP-like scorer would, it looks at images and prompts."""

    description = "longer prompts and brighter images are better"
    better = "higher"
    digits = 1
    recorded = True

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return lambda subjects: [len(one.prompt) + max(high for _, high in bands(one.image)) / 255 for one in subjects]


def bands(image: Image.Image) -> tuple[tuple[float, float], ...]:
    return image.getextrema()  # type: ignore[return-value]


class Where(ImageMetric):
    """Measures nothing but where its model would compute."""

    description = "1 on the second card"
    better = "higher"

    def load(self, folder: Path | None, device: str | None = None) -> Scorer:
        return lambda subjects: [float(device == "cuda:1")] * len(subjects)


class Calls(ExecutionMetric):
    """Needs no images: it is computed from the record."""

    description = "UNet calls"
    better = "lower"

    def measure(self, execution: Mapping[str, Any]) -> float:
        return float(execution["unet_calls"])


@pytest.fixture
def toys() -> Iterator[None]:
    with METRICS.including("likeness", Likeness()), METRICS.including("calls", Calls()):
        yield


IMAGES = [Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8), "black")]


def a_record() -> Record:
    return Record(started="", spec={"prompt": "a fox"}, environment={}, execution={"unet_calls": 4, "seconds": {}})


@pytest.mark.usefixtures("toys")
def test_it_is_allowed_measured_and_told() -> None:
    assert SweepSpec.model_validate({"metric": "likeness"}).metric == ("likeness",)
    assert {"likeness", "calls"} <= set(SweepSpec.model_json_schema()["properties"]["metric"]["anyOf"][0]["enum"])
    record = a_record()
    record.execution["metrics"] = measured(record, IMAGES)
    assert record.execution["metrics"]["likeness"] == 5.5
    assert "calls" not in record.execution["metrics"] and "seconds" not in record.execution["metrics"]
    assert (value("likeness", record), value("calls", record)) == (5.5, 4.0)


def test_a_metric_that_is_asked_for_computes_where_the_run_did() -> None:
    with METRICS.including("where", Where()):
        for device, number in (("cuda:1", 1.0), ("cpu", 0.0)):
            record = a_record()
            record.environment["device"] = device
            measure(SweepSpec.model_validate({"metric": "where"}), record, IMAGES)
            assert record.execution["metrics"]["where"] == number


@pytest.mark.usefixtures("toys")
def test_a_sweep_lists_it(sweep: Sweep) -> None:
    sweep.run("sampling.seed=1,2")
    rows = list(csv.DictReader((sweep.directory / "results.csv").open(newline="", encoding="utf-8")))
    records = [json.loads((sweep.directory / row["record"]).read_text()) for row in rows]
    assert len(rows) == 2 and all(float(row["likeness"]) > 1 for row in rows)
    assert [record["execution"]["metrics"]["likeness"] for record in records] == [float(r["likeness"]) for r in rows]


def test_columns_of_results_are_those_that_there_were_then_new_ones() -> None:
    before = columns(["sampling.eta"])
    assert before == [
        *("cell", "status", "sampling.eta", "seconds", "denoise", "decode", "unet_calls", "sharpness", "complexity"),
        *("attempts", "pictures", "picture", "pixel_sha256", "record", "reason"),
    ]
    with METRICS.including("calls", Calls()), METRICS.including("a_likeness", Likeness()):
        after = columns(["sampling.eta"])
    assert [name for name in after if name not in before] == ["a_likeness"]
    assert after[after.index("a_likeness") - 1] == "complexity" and len(set(after)) == len(after)


def test_a_name_that_no_metric_has_is_told_with_those_that_are_there(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"must be 'clip', .* 'sharpness' or 'ssim'.*did you mean 'sharpness'"):
        composer.compose(["sweep.metric=sharpnes"])


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_says_what_it_is(name: str) -> None:
    metric = METRICS[name]
    assert metric.description and "\n" not in metric.description and len(metric.description) <= 120
    assert metric.better in ("higher", "lower")
    assert metric_of(name) is metric_of(f"{name}_of-a-model") is metric


def test_records_keep_what_costs_nothing() -> None:
    assert list(recorded_metrics()) == ["sharpness", "complexity"]


@pytest.mark.parametrize("name", [name for name, one in METRICS.items() if isinstance(one, ImageMetric)])
def test_a_metric_that_runs_are_measured_with_needs_neither_model_nor_reference(name: str) -> None:
    metric = METRICS[name]
    assert isinstance(metric, ImageMetric)
    assert not metric.recorded or (metric.model is None and not metric.needs_reference)
