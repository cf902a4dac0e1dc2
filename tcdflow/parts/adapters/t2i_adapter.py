"""T2I-Adapters (arXiv 2302.08453): small networks that look at the control image once, and not at each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from tcdflow.errors import ConfigError, Problem
from tcdflow.parts.adapters._control import Controlled
from tcdflow.spec.adapter import ADAPTERS
from tcdflow.spec.inputs import InputImages, Inputs
from tcdflow.spec.needs import LocalFiles
from tcdflow.spec.script import Lines, ScriptFiles, cannot_write, literal, one_or_list, variable
from tcdflow.spec.types import Float

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


@ADAPTERS.register("t2i_adapter")
class T2IAdapter(Controlled):
    """A T2I-Adapter (arXiv 2302.08453); several act together. Some read grey images, which are made for them."""

    pipelines: ClassVar = {
        ("sd", "text_to_image"): "t2i_adapter.pipeline_stable_diffusion_adapter:StableDiffusionAdapterPipeline",
        ("sdxl", "text_to_image"): "t2i_adapter.pipeline_stable_diffusion_xl_adapter:StableDiffusionXLAdapterPipeline",
    }
    components = ("adapter",)
    what = "a T2I-Adapter"
    tensors = r"^adapter\.(conv_in|body)\.|^body\.\d+\.(in_conv|resnets|block1)\."

    kind: Literal["t2i_adapter"]
    scale: Float = Field(1.0, ge=0.0, le=10.0, description="weight of its residuals")
    end: Float = Field(1.0, ge=0.0, le=1.0, description="share of the steps after which it ends; below 1 on SDXL alone")

    @classmethod
    def run_problems(cls, adapters: Mapping[str, Self], spec: RunSpec) -> Iterator[Problem]:
        """Yield ends that diffusers' pipelines cannot have."""
        ends = {adapter.end for adapter in adapters.values()}
        for name, adapter in adapters.items():
            if adapter.end != 1.0 and spec.family.architecture != "sdxl":
                yield Problem(f"adapters.{name}.end", f"must be 1 on a base of {spec.base.family}", adapter.end)
            elif len(ends) > 1:
                yield Problem(f"adapters.{name}.end", "all T2I-Adapters of a run must end together", adapter.end)

    @classmethod
    def load(cls, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles], dtype: Any) -> dict[str, Any]:
        """Load the models as the component ``adapter``."""
        from diffusers.models.adapter import MultiAdapter
        from diffusers.models.adapter import T2IAdapter as Model

        from tcdflow.parts.adapters._models import load_model

        models = [load_model(Model, f"adapters.{name}", files, dtype) for name in adapters]
        return {"adapter": models[0] if len(models) == 1 else MultiAdapter(models)}

    @classmethod
    def configure(cls, pipe: Any, adapters: Mapping[str, Self], spec: RunSpec) -> None:
        """Refuse sizes that the models cannot divide; torch would speak of pixels to unshuffle.

        Raises:
            ConfigError: naming a side and what it must be a multiple of.
        """
        multiple = pipe.adapter.downscale_factor
        for side, pixels in (("width", spec.width), ("height", spec.height)):
            if pixels % multiple:
                what = f"must be a multiple of {multiple} with this T2I-Adapter"
                raise ConfigError([Problem(f"sampling.{side}", what, pixels)])

    @classmethod
    def inputs(cls, adapters: Mapping[str, Self], images: InputImages, pipe: Any, spec: RunSpec) -> Inputs:
        """Return the control images and scales."""
        controls = {name: adapter.control_image(f"adapters.{name}", images) for name, adapter in adapters.items()}
        models = getattr(pipe.adapter, "adapters", (pipe.adapter,))
        given = [
            image.convert("L") if model.config.in_channels == 1 else image
            for image, model in zip(controls.values(), models, strict=True)
        ]
        scales = [adapter.scale for adapter in adapters.values()]
        single = len(given) == 1
        arguments: dict[str, Any] = {"adapter_conditioning_scale": scales[0] if single else scales}
        if spec.family.architecture == "sdxl":
            arguments["adapter_conditioning_factor"] = next(iter(adapters.values())).end
        return Inputs(
            arguments,
            {"image": given[0] if single else given},
            {f"control_{name}": image for name, image in controls.items()},
        )

    @classmethod
    def script(cls, adapters: Mapping[str, Self], files: ScriptFiles, spec: RunSpec) -> Lines:
        if spec.runtime.batch_size > 1 and len(spec.sampling.seeds) > 1:
            raise cannot_write("runtime.batch_size", "T2I-Adapters in a batch")  # they look at its images together
        lines = Lines()
        models = [
            files.model("diffusers", "T2IAdapter", f"adapters.{name}", variable("adapter", name), lines)
            for name in adapters
        ]
        controls = [one.write_control(f"adapters.{name}", files, lines) for name, one in adapters.items()]
        several = len(models) > 1
        if several:
            lines.use("diffusers", "MultiAdapter")
        lines.options["adapter"] = f"MultiAdapter([{', '.join(models)}])" if several else models[0]
        for number, control in enumerate(controls):
            model = f"pipe.adapter.adapters[{number}]" if several else "pipe.adapter"
            lines.inputs.append(f"if {model}.config.in_channels == 1:  # it reads grey images")
            lines.inputs.append(f'    {control} = {control}.convert("L")')
        lines.call["image"] = one_or_list(controls)
        lines.call["adapter_conditioning_scale"] = one_or_list([literal(one.scale) for one in adapters.values()])
        if spec.family.architecture == "sdxl":
            lines.call["adapter_conditioning_factor"] = literal(next(iter(adapters.values())).end)
        return lines
