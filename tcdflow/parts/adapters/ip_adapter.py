"""IP-Adapters (arXiv 2308.06721): images as prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from tcdflow.errors import Problem
from tcdflow.spec.adapter import ADAPTERS, Adapter
from tcdflow.spec.inputs import ImageUse, InputImages, Inputs
from tcdflow.spec.needs import LocalFiles, Need
from tcdflow.spec.script import Lines, ScriptFiles, call, cannot_write, literal, one_or_list, variable
from tcdflow.spec.types import ImageText, Int, LoraWeight, SourceText

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


@ADAPTERS.register("ip_adapter")
class IPAdapter(Adapter):
    """An IP-Adapter (arXiv 2308.06721): images as prompt; several act together and share one image encoder."""

    components = ("image_encoder",)
    what = "an IP-Adapter"
    tensors = r"^ip_adapter\."

    kind: Literal["ip_adapter"]
    image_encoder: SourceText = Field(description="folder of the CLIP vision model that it was trained with")
    images: Annotated[
        tuple[ImageText, ...], BeforeValidator(_as_tuple, json_schema_input_type=ImageText | list[ImageText])
    ] = Field(min_length=1, max_length=64, description="paths or URLs of the images")
    size: Int | None = Field(
        None, ge=8, le=8192, description="pixels a side to stretch the images to; null leaves them"
    )
    scale: LoraWeight = Field(1.0, description="weight of the images against the prompt: a number, or numbers by block")

    def model(self, role: str) -> Need:
        """Return its weights, one file."""
        return Need(role, f"{role}.source", self.source, "weights")

    def needs(self, role: str) -> Iterator[Need]:
        """Yield its weights, its image encoder and its images."""
        yield self.model(role)
        yield Need(f"{role}.image_encoder", f"{role}.image_encoder", self.image_encoder, "model")
        for number, image in enumerate(self.images):
            yield Need(f"{role}.images.{number}", f"{role}.images", image, "image")

    def image_uses(self, role: str) -> Iterator[ImageUse]:
        """Yield its images."""
        for number in range(len(self.images)):
            yield ImageUse(f"{role}.images.{number}", fit_key=f"{role}.size", side=self.size or 0)

    @classmethod
    def run_problems(cls, adapters: Mapping[str, Self], spec: RunSpec) -> Iterator[Problem]:
        """Yield image encoders that are not the first one's."""
        first = next(iter(adapters.values()), None)
        for name, adapter in adapters.items():
            if first is not None and adapter.image_encoder != first.image_encoder:
                what = f"all IP-Adapters of a run share one; the first has {first.image_encoder}"
                yield Problem(f"adapters.{name}.image_encoder", what, adapter.image_encoder)

    @classmethod
    def load(cls, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles], dtype: Any) -> dict[str, Any]:
        """Load the image encoder that they share."""
        from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

        from tcdflow.parts.adapters._models import load_model

        role = f"adapters.{next(iter(adapters))}.image_encoder"
        return {"image_encoder": load_model(CLIPVisionModelWithProjection, role, files, dtype)}

    @classmethod
    def attach(cls, pipe: Any, adapters: Mapping[str, Self], files: Mapping[str, LocalFiles]) -> None:
        """Put all of them on a pipeline that has their image encoder; diffusers takes them in one call."""
        paths = [files[f"adapters.{name}"].path for name in adapters]
        pipe.load_ip_adapter(
            [str(path.parent) for path in paths],
            subfolder=[""] * len(paths),
            weight_name=[path.name for path in paths],
            image_encoder_folder=None,
            local_files_only=True,
        )

    @classmethod
    def detach(cls, pipe: Any) -> None:
        """Detach them."""
        pipe.unload_ip_adapter()

    @classmethod
    def configure(cls, pipe: Any, adapters: Mapping[str, Self], spec: RunSpec) -> None:
        """Give each its scale."""
        pipe.set_ip_adapter_scale([adapter.scale for adapter in adapters.values()])

    @classmethod
    def inputs(cls, adapters: Mapping[str, Self], images: InputImages, pipe: Any, spec: RunSpec) -> Inputs:
        """Return the images of each."""
        found = Inputs(arguments={"ip_adapter_image": []})
        for name, adapter in adapters.items():
            fitted = [images.fitted(use) for use in adapter.image_uses(f"adapters.{name}")]
            single = len(fitted) == 1
            found.arguments["ip_adapter_image"].append(fitted[0] if single else fitted)
            found.shown |= {f"reference_{name}" + ("" if single else f"_{n}"): one for n, one in enumerate(fitted)}
        return found

    @classmethod
    def script(cls, adapters: Mapping[str, Self], files: ScriptFiles, spec: RunSpec) -> Lines:
        lines = Lines()
        first, *_ = adapters
        encoder = f"adapters.{first}.image_encoder"
        model = "CLIPVisionModelWithProjection"
        lines.options["image_encoder"] = files.model("transformers", model, encoder, "image_encoder", lines)
        places = [files.place(f"adapters.{name}") for name in adapters]
        if len({place.get("revision") for place in places}) > 1:
            raise cannot_write(f"adapters.{first}.source", "IP-Adapters of several commits or repositories")
        folders = one_or_list([place["*"] for place in places])
        lists = {key: one_or_list([place.get(key, '""') for place in places]) for key in ("subfolder", "weight_name")}
        commit = {"revision": places[0]["revision"]} if "revision" in places[0] else {}
        lines.attach = call("pipe.load_ip_adapter", {"*": folders, **lists, **commit, "image_encoder_folder": "None"})
        scales = [literal(adapter.scale) for adapter in adapters.values()]
        lines.configure.append(f"pipe.set_ip_adapter_scale([{', '.join(scales)}])")
        given = []
        for name, adapter in adapters.items():
            uses = list(adapter.image_uses(f"adapters.{name}"))
            own = [variable("reference", name) + (f"_{n}" if len(uses) > 1 else "") for n in range(len(uses))]
            for use, reference in zip(uses, own, strict=True):
                files.image(use, reference, lines)
            given.append(one_or_list(own))
        lines.call["ip_adapter_image"] = f"[{', '.join(given)}]"
        return lines
