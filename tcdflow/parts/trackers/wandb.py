"""Weights & Biases, by its client: offline, unless ``WANDB_MODE`` says otherwise."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tcdflow.spec.tracker import RECORD, TRACKERS, Entry, Tracker


@TRACKERS.register("wandb")
class WeightsAndBiases(Tracker):
    """Weights & Biases, offline below the run's directory unless WANDB_MODE=online is set; wandb sync uploads it."""

    package: ClassVar[str] = "wandb"
    environment: ClassVar[Mapping[str, str]] = {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DISABLE_CODE": "true",
    }

    kind: Literal["wandb"] = "wandb"
    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")] = Field("tcdflow", description="name of the project")

    def look(self, root: Path) -> str:
        return f"wandb sync {Path(os.environ.get('WANDB_DIR') or root) / 'wandb'}/offline-run-*"

    def log(self, entry: Entry) -> None:
        import wandb
        from PIL import Image

        run = wandb.init(
            project=self.project,
            group=entry.group[:128],
            name=entry.name[:128],
            id=entry.id[:32],
            config=dict(entry.parameters) | {"tcdflow_key": entry.key},
            dir=os.environ.get("WANDB_DIR") or str(entry.root),
            settings=wandb.Settings(x_disable_stats=True, x_disable_meta=True, x_save_requirements=False),
        )
        code = 1
        try:
            for step, numbers in entry.curves():
                run.log(dict(numbers), step=step)
            found = entry.finding(self.images)
            images = [wandb.Image(Image.open(io.BytesIO(one.png)), caption=one.caption) for one in found.images]
            run.log({**found.metrics, "images": images})
            kept = Path(run.dir) / RECORD
            shutil.copyfile(entry.record, kept)
            run.save(str(kept), base_path=run.dir, policy="now")
            code = 0
        finally:
            run.finish(exit_code=code)
