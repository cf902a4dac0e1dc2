"""Stacks of two LoRAs, with numbers and with weights by block, fused and not."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest

from tests.fidelity import scripts
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.same import assert_same, equal
from tests.standins import Family, StandIns

PROMPT = "papercut of a winter mountain, snow"
FAMILIES: tuple[Family, ...] = ("sd15", "sd21", "sdxl")
BLOCKS = {"unet": {"down": 0.4, "mid": 1.2, "up": {"block_1": [0.0, 0.3, 0.9]}}}
"""Of a stand-in for SD 1.5: its second block upwards has three attentions; blocks left out have weight 1."""


def overrides(standins: StandIns, thin: Thin, family: Family) -> list[str]:
    base = {"sd15": "sd15", "sd21": "sd21_base", "sdxl": "sdxl"}[family]
    return [
        f"base={base}",
        "base.size=64",
        f"base.source={standins.base(family)}",
        "loras=[tcd,papercut]",
        f"loras.tcd.source={thin(family, 'tcd')}",
        f"loras.papercut.source={thin(family, 'style')}",
        f"loras.papercut.family={family}",
        f"prompt={PROMPT}",
    ]


def pipeline(standins: StandIns, thin: Thin, family: Family, weights: tuple[Any, Any]) -> Any:
    """A pipeline of its own, since fusing changes it."""
    cls = diffusers.StableDiffusionXLPipeline if family == "sdxl" else diffusers.StableDiffusionPipeline
    tcd, style = thin(family, "tcd"), thin(family, "style")
    return scripts.load(cls, standins.base(family), loras=((tcd, weights[0]), (style, weights[1])))


def compare(run: Run, asked: list[str], pipe: Any) -> None:
    unfused = scripts.image(pipe, PROMPT)
    assert_same(run(*asked, "lora_stack.fuse=false").images[0], unfused)
    pipe.fuse_lora(adapter_names=["lora0", "lora1"])
    assert_same(run(*asked, "lora_stack.fuse=true").images[0], scripts.image(pipe, PROMPT))


@pytest.mark.parametrize("family", FAMILIES)
def test_two_loras(run: Run, standins: StandIns, thin: Thin, family: Family) -> None:
    asked = [*overrides(standins, thin, family), "loras.tcd.weight=1.0", "loras.papercut.weight=0.7"]
    compare(run, asked, pipeline(standins, thin, family, (1.0, 0.7)))


def test_weights_by_block(run: Run, standins: StandIns, thin: Thin) -> None:
    asked = [
        *overrides(standins, thin, "sd15"),
        "loras.tcd.weight={unet: {down: 0.4, mid: 1.2, up: {block_1: [0.0, 0.3, 0.9]}}}",
        "loras.papercut.weight=0.7",
    ]
    compare(run, asked, pipeline(standins, thin, "sd15", (BLOCKS, 0.7)))


def test_the_order_of_a_stack_is_kept(run: Run, standins: StandIns, thin: Thin) -> None:
    """The other way around, at weights of text encoders too; a stack that says nothing of one leaves it alone."""
    family: Family = "sdxl"
    text, tcd = thin(family, "style_text"), thin(family, "tcd")
    made = run(
        *overrides(standins, thin, family),
        "loras=[papercut,tcd]",
        f"loras.papercut.source={text}",
        "loras.papercut.weight={unet: 0.7, text_encoder: 0.2, text_encoder_2: 1.1}",
        "lora_stack.fuse=false",
    )
    weight = {"unet": 0.7, "text_encoder": 0.2, "text_encoder_2": 1.1}
    pipe = scripts.load(diffusers.StableDiffusionXLPipeline, standins.sdxl, loras=((text, weight), (tcd, 1.0)))
    by_hand = scripts.image(pipe, PROMPT)
    assert_same(made.images[0], by_hand)
    pipe.set_adapters(["lora0", "lora1"], [0.7, 1.0])
    assert not equal(by_hand, scripts.image(pipe, PROMPT)), "the weights of the text encoders are not to be seen"
