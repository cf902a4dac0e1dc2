"""The models that ship with tcdflow: each is a family, since the LoRA of one loads on another and draws nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tcdflow import embedded
from tcdflow.errors import Problem
from tcdflow.parts.families.stable_diffusion import StableDiffusion
from tcdflow.prompts.text import read
from tcdflow.spec.family import FAMILIES

if TYPE_CHECKING:
    from tcdflow.spec.model import RunSpec


class Embedded(StableDiffusion):
    """A small model that ships with tcdflow."""

    few_steps = 0  # it draws something in any number of them

    def problems(self, spec: RunSpec) -> Iterator[Problem]:
        """Yield that the base is another embedded model, whose LoRAs are others."""
        model = embedded.named(spec.base.source)
        if model not in (None, spec.base.family):
            yield Problem(
                "base.family", f"{spec.base.source} is of family {model}; choose base={model}", spec.base.family
            )

    def warnings(self, spec: RunSpec) -> Iterator[str]:
        """Yield what the model cannot draw of a prompt."""
        model = embedded.named(spec.base.source)
        parts = read(spec.prompt, spec.prompt_encoding.weights, {}, breaks=spec.prompt_encoding.long == "chunk")
        words = " ".join(fragment.text for part in parts for fragment in part)
        if model and (advice := embedded.advice(model, words)):
            yield advice


class Emoji(Embedded):
    """The first of them."""

    summary = "ships with tcdflow, 64 × 64, 210 emoji"


class Icons(Embedded):
    """The second: more subjects, two styles, colours, several wordings."""

    summary = "ships with tcdflow, 128 × 128, 389 icons in two styles"


FAMILIES.add("emoji", Emoji())
FAMILIES.add("icons", Icons())
