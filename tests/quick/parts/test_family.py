"""What a family says of its bases is what commands go by."""

from __future__ import annotations

from tcdflow.cli.described import lines
from tcdflow.config.compose import Composer
from tcdflow.parts.families.stable_diffusion import StableDiffusion
from tcdflow.spec.family import FAMILIES
from tcdflow.spec.model import RunSpec
from tests.helpers import part


class Distilled(StableDiffusion):
    """A family whose denoiser is told of guidance, and called once a step."""

    summary = "distilled"

    def guidance_cost(self, spec: RunSpec) -> int:
        return 1


def test_guidance_that_takes_no_work(composer: Composer) -> None:
    spec = composer.compose(["loras=[]", "sampling.guidance_scale=3", "prompt=a red heart"]).spec
    plain = spec.model_dump(mode="json")

    def calls() -> str:
        found = {"kind": "run", "spec": plain, "unet_calls": 4, "files": [], "missing_bytes": 0, "defaults": None}
        return next(line for line in lines(found, "", found_files=True) if line.startswith("UNet calls"))

    assert calls().endswith("4, each of twice the work for guidance")
    with part(FAMILIES, "distilled", Distilled()):
        plain["base"]["family"] = "distilled"
        assert calls().endswith(" 4")
