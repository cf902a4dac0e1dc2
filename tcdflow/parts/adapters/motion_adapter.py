"""Motion modules (AnimateDiff, arXiv 2307.04725)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.adapter import ADAPTERS, Adapter
from tcdflow.spec.needs import LocalFiles, Need
from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.types import SourceText

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


@ADAPTERS.register("motion_adapter")
class MotionAdapter(Adapter):
    """A motion module (AnimateDiff, arXiv 2307.04725), which turns a base of its family into one for frames."""

    pipelines: ClassVar = {("sd", "animation"): "animatediff.pipeline_animatediff:AnimateDiffPipeline"}
    components = ("motion_adapter",)
    replaces_denoiser = True
    what = "a motion module of AnimateDiff"
    tensors = r"motion_modules\."

    kind: Literal["motion_adapter"]
    config: SourceText | None = Field(None, description="folder or repository whose config.json a single file follows")

    def model(self, role: str) -> Need:
        """Return its model, which may be a single file."""
        return Need(role, f"{role}.source", self.source, "model", self.config, may_be_file=True)

    def problems(self, role: str, spec: RunSpec) -> Iterator[Problem]:
        """Yield a task without frames."""
        if not spec.task.animated:
            yield Problem(role, "a motion adapter needs task=animation")

    @classmethod
    def run_problems(cls, adapters: Mapping[str, Self], spec: RunSpec) -> Iterator[Problem]:
        """Yield more than one of them."""
        if len(adapters) > 1:
            yield Problem("adapters", "an animation takes one motion adapter", str(list(adapters)))

    @classmethod
    def load(cls, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles], dtype: Any) -> dict[str, Any]:
        """Load the model as the component ``motion_adapter``."""
        from diffusers.models.unets.unet_motion_model import MotionAdapter as Model

        from tcdflow.parts.adapters._models import load_model

        return {"motion_adapter": load_model(Model, f"adapters.{next(iter(adapters))}", files, dtype)}

    @classmethod
    def configure(cls, pipe: Any, adapters: Mapping[str, Self], spec: RunSpec) -> None:
        """Refuse more frames than the motion modules have positions for; torch would speak of tensor sizes.

        Raises:
            ConfigError: naming the limit.
        """
        most = spec.family.denoiser(pipe).config.motion_max_seq_length
        frames = spec.task.settings()["num_frames"]
        if frames > most:
            raise ConfigError([Problem("task.num_frames", f"this motion adapter takes at most {most}", frames)])

    @classmethod
    def script(cls, adapters: Mapping[str, Self], files: ScriptFiles, spec: RunSpec) -> Lines:
        lines = Lines()
        role = f"adapters.{next(iter(adapters))}"
        lines.options["motion_adapter"] = files.model("diffusers", "MotionAdapter", role, "motion", lines)
        return lines
