"""The interface of families of bases. Each is one file of :mod:`tcdflow.parts.families`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tcdflow.errors import Problem
from tcdflow.spec.registry import NameOf, Registry
from tcdflow.spec.script import Lines, cannot_write

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


Vectors = Mapping[str, Sequence[Any]]
"""By the name of an embedding: a tensor of shape ``(vectors, width)`` for each text encoder."""


class Family(ABC):
    """Bases that share shapes, so that a LoRA or adapter trained on one of them fits the others.

    Subclass it in a file of its own and register an instance.

    Attributes:
        summary: one line for people.
        architecture: what its pipelines have in common with those of other families; adapters name theirs by it.
        pipelines: diffusers class by task: module below ``diffusers.pipelines`` and class, joined by a colon.
        denoiser_folder: folder of a base that holds the denoiser's weights.
        tokenizers: folders of a base that hold its tokenizers, one for each text encoder, the first encoder's first.
        text_width: width of the text embeddings that the published models' denoiser takes, by which a file's family is
            known; None where files are not told apart by it.
        in_file_names: what of a weight file's name says that it is for this family.
        layers_left_out: layers of a text encoder, as published, that pipelines leave out at its end.
        few_steps: sampling steps below which a base that is not distilled looks unfinished; 0 for a family that is
            made for few.
    """

    summary: ClassVar[str]
    architecture: ClassVar[str]
    pipelines: ClassVar[Mapping[str, str]]
    denoiser_folder: ClassVar[str] = "unet"
    tokenizers: ClassVar[tuple[str, ...]] = ()
    text_width: ClassVar[int | None] = None
    in_file_names: ClassVar[re.Pattern[str] | None] = None
    layers_left_out: ClassVar[int] = 0
    few_steps: ClassVar[int] = 10

    @abstractmethod
    def denoiser(self, pipe: Any) -> Any:
        """Return the module of a pipeline that is called at each step."""

    @abstractmethod
    def encode(self, pipe: Any, spec: RunSpec, device: Any, vectors: Vectors) -> dict[str, Any]:
        """Return the keyword arguments that stand for the prompt in a call of ``pipe``.

        Args:
            pipe: the pipeline.
            spec: of which prompts, their encoding, guidance and ``clip_skip`` count.
            device: ``torch.device`` that the pipeline computes on.
            vectors: of the run's embeddings, on a CPU.

        Returns:
            Tensors with a batch dimension of 1.
        """

    def script(self, spec: RunSpec) -> Lines:
        """Return what stands for the prompt in a script.

        Raises:
            ConfigError: if its prompts cannot be written in a few lines.
        """
        raise cannot_write("base.family", f"family {spec.base.family!r}")

    def conditions(self, embeds: Mapping[str, Any], time_ids: Any) -> dict[str, Any]:
        """Return the arguments of a call of the denoiser that say what to draw, as the pipeline gives them.

        Args:
            embeds: a batch of what :meth:`encode` returns for prompts: ``prompt_embeds``, and pooled ones where the
                family has them.
            time_ids: tensor of shape ``(batch, n)`` of what :meth:`time_ids` returns; None where that is None.
        """
        return {"encoder_hidden_states": embeds["prompt_embeds"]}

    def time_ids(
        self, original: tuple[int, int], corner: tuple[int, int], size: tuple[int, int]
    ) -> tuple[int, ...] | None:
        """Return what the denoiser is told of an image's size and crop; None for a family that is told nothing.

        Args:
            original: height and width of the image before it was cropped, in pixels of its resized version.
            corner: of the crop in it, from the top and from the left.
            size: height and width of the crop.
        """
        return None

    def guidance_cost(self, spec: RunSpec) -> int:
        """Return how many times the work of an unguided step one takes: classifier-free guidance makes two of one."""
        return 2 if spec.guided else 1

    def loading_options(self, spec: RunSpec) -> dict[str, Any]:
        """Return arguments of the pipeline's constructor."""
        return {}

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield each reason for which a run cannot use a base of this family as asked."""
        yield from ()

    def warnings(self, spec: RunSpec) -> Iterator[str]:
        """Yield what is allowed and probably not meant."""
        yield from ()


FAMILIES: Registry[Family] = Registry("family", "tcdflow.parts.families")

FamilyName = Annotated[str, NameOf(FAMILIES)]
