"""MLflow, by its client: a run of an experiment for each entry.

Where to is MLflow's own to say: ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tcdflow.spec.tracker import RECORD, TRACKERS, Entry, Tracker

_ID, _KEY = "tcdflow.id", "tcdflow.key"
_AT_ONCE = {"params": 100, "metrics": 1000}
"""Entities that MLflow takes in one call."""
_LONGEST = 6000
"""Characters of a parameter."""


@TRACKERS.register("mlflow")
class MLflow(Tracker):
    """MLflow: parameters, metrics, images and the record; MLFLOW_TRACKING_URI says where, else ./mlflow.db."""

    package: ClassVar[str] = "mlflow"
    environment: ClassVar[Mapping[str, str]] = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

    kind: Literal["mlflow"] = "mlflow"
    experiment: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="name of the experiment; null is for that of the sweep"
    )

    def look(self, root: Path) -> str:
        return "mlflow ui"

    def log(self, entry: Entry) -> None:
        from mlflow import MlflowClient
        from PIL import Image

        client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}")
        experiment = _experiment(client, self.experiment or entry.group)
        for earlier in client.search_runs([experiment], f"tags.`{_ID}` = '{entry.id}'"):
            client.delete_run(earlier.info.run_id)
        tags = {_ID: entry.id, _KEY: entry.key}
        run = client.create_run(experiment, round(entry.started * 1000), tags, entry.name).info.run_id
        try:
            _log(client, run, "params", [_param(*pair) for pair in entry.parameters.items()])
            for step, numbers in entry.curves():
                _log(client, run, "metrics", _metrics(numbers, entry.started, step))
            found = entry.finding(self.images)
            _log(client, run, "metrics", _metrics(found.metrics, found.finished, 0))
            for number, one in enumerate(found.images):
                with Image.open(io.BytesIO(one.png)) as image:
                    client.log_image(run, image, key="image", step=number)
            if found.images:
                captions = {str(number): one.caption for number, one in enumerate(found.images)}
                client.log_dict(run, captions, "captions.json")
            client.log_text(run, entry.record.read_text("utf-8"), RECORD)
        except BaseException:
            client.set_terminated(run, "FAILED")
            raise
        client.set_terminated(run, "FINISHED", round(found.finished * 1000))


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))


def _param(name: str, value: object) -> Any:
    from mlflow.entities import Param

    return Param(name, str(value)[:_LONGEST])


def _metrics(numbers: Mapping[str, float], at: float, step: int) -> list[Any]:
    from mlflow.entities import Metric

    return [Metric(name, number, round(at * 1000), step) for name, number in numbers.items()]


def _log(client: Any, run: str, what: str, entities: list[Any]) -> None:
    for first in range(0, len(entities), _AT_ONCE[what]):
        client.log_batch(run, **{what: entities[first : first + _AT_ONCE[what]]})
