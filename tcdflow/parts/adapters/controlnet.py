"""ControlNets (arXiv 2302.05543)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from tcdflow.errors import Problem
from tcdflow.parts.adapters._control import Controlled
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.inputs import InputImages, Inputs
from tcdflow.spec.needs import LocalFiles, Need
from tcdflow.spec.script import Lines, ScriptFiles, literal, one_or_list, variable
from tcdflow.spec.types import Float, SourceText

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


_NET = "controlnet.pipeline_controlnet"


@ADAPTERS.register("controlnet")
class ControlNet(Controlled):
    """A ControlNet (arXiv 2302.05543); several act together."""

    pipelines: ClassVar = {
        ("sd", "text_to_image"): f"{_NET}:StableDiffusionControlNetPipeline",
        ("sd", "image_to_image"): f"{_NET}_img2img:StableDiffusionControlNetImg2ImgPipeline",
        ("sd", "inpainting"): f"{_NET}_inpaint:StableDiffusionControlNetInpaintPipeline",
        ("sdxl", "text_to_image"): f"{_NET}_sd_xl:StableDiffusionXLControlNetPipeline",
        ("sdxl", "image_to_image"): f"{_NET}_sd_xl_img2img:StableDiffusionXLControlNetImg2ImgPipeline",
        ("sdxl", "inpainting"): f"{_NET}_inpaint_sd_xl:StableDiffusionXLControlNetInpaintPipeline",
    }
    components = ("controlnet",)
    what = "a ControlNet"
    tensors = r"^control_model\.|^controlnet_(cond_embedding|down_blocks|mid_block)|^input_hint_block\."

    kind: Literal["controlnet"]
    config: SourceText | None = Field(None, description="folder or repository whose config.json a single file follows")
    scale: Float = Field(1.0, ge=0.0, le=10.0, description="weight of its residuals")
    start: Float = Field(0.0, ge=0.0, le=1.0, description="share of the steps after which it begins")
    end: Float = Field(1.0, ge=0.0, le=1.0, description="share of the steps after which it ends")

    def model(self, role: str) -> Need:
        """Return its model, which may be a single file."""
        return Need(role, f"{role}.source", self.source, "model", self.config, may_be_file=True)

    def problems(self, role: str, spec: RunSpec) -> Iterator[Problem]:
        """Yield what is wrong with its settings."""
        yield from super().problems(role, spec)
        if self.start >= self.end:
            yield Problem(f"{role}.start", f"must be below {role}.end = {self.end:g}", self.start)

    @classmethod
    def load(cls, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles], dtype: Any) -> dict[str, Any]:
        """Load the models as the component ``controlnet``."""
        from diffusers.models.controlnets.controlnet import ControlNetModel

        from tcdflow.parts.adapters._models import load_model

        nets = [load_model(ControlNetModel, f"adapters.{name}", files, dtype) for name in adapters]
        return {"controlnet": nets[0] if len(nets) == 1 else nets}

    @classmethod
    def inputs(cls, adapters: Mapping[str, Self], images: InputImages, pipe: Any, spec: RunSpec) -> Inputs:
        """Return the control images, scales and shares of the steps."""
        controls = {name: net.control_image(f"adapters.{name}", images) for name, net in adapters.items()}
        lists: dict[str, list[Any]] = {
            "control_image" if spec.task.takes_image else "image": list(controls.values()),
            "controlnet_conditioning_scale": [net.scale for net in adapters.values()],
            "control_guidance_start": [net.start for net in adapters.values()],
            "control_guidance_end": [net.end for net in adapters.values()],
        }
        arguments = {name: values if len(adapters) > 1 else values[0] for name, values in lists.items()}
        return Inputs(arguments, shown={f"control_{name}": image for name, image in controls.items()})

    @classmethod
    def script(cls, adapters: Mapping[str, Self], files: ScriptFiles, spec: RunSpec) -> Lines:
        lines = Lines()
        nets = [
            files.model("diffusers", "ControlNetModel", f"adapters.{name}", variable("controlnet", name), lines)
            for name in adapters
        ]
        controls = [net.write_control(f"adapters.{name}", files, lines) for name, net in adapters.items()]
        lists = {
            "control_image" if spec.task.takes_image else "image": controls,
            "controlnet_conditioning_scale": [literal(net.scale) for net in adapters.values()],
            "control_guidance_start": [literal(net.start) for net in adapters.values()],
            "control_guidance_end": [literal(net.end) for net in adapters.values()],
        }
        lines.options["controlnet"] = one_or_list(nets)
        lines.call = {name: one_or_list(values) for name, values in lists.items()}
        return lines
