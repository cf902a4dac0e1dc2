"""LoRA switches, dozens or hundreds, leave the process no larger than the first dozen did."""

from __future__ import annotations

import psutil
import pytest
import torch

from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tcdflow.files.artifact import Artifacts
from tcdflow.files.resolve import resolve
from tcdflow.spec.model import RunSpec

WARM = 12
MOST_GROWTH = 24_000_000  # bytes; one copy of the embedded UNet in float32 has 27 million


def states(composer: Composer) -> list[tuple[RunSpec, Artifacts]]:
    """Stacks of one and two LoRAs, fused and not, by number and by block, and none."""
    twice = "loras.twin.source=embedded:emoji/tcd_lora"
    told = [
        ["loras.tcd.weight=0.5"],
        ["loras.tcd.weight=0.7", "lora_stack.fuse=false"],
        ["loras=[]"],
        [twice, "loras.twin.weight={unet:{down:0.5,mid:1}}"],
        [twice, "lora_stack.fuse=false"],
        ["loras.tcd.weight={unet:0.25}", "lora_stack.fuse=false"],
    ]
    specs = [composer.compose([*overrides, "sampling.steps=1"]).spec for overrides in told]
    return [(spec, resolve(spec)) for spec in specs]


@pytest.mark.parametrize("switches", [18, pytest.param(600, marks=pytest.mark.slow)])
def test_memory_stays_flat(switches: int, composer: Composer) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine, process, sizes = Engine(), psutil.Process(), []
        cycle = states(composer)
        for number in range(switches):
            spec, artifacts = cycle[number % len(cycle)]
            engine.run(spec, artifacts)
            sizes.append(process.memory_info().rss)
        assert engine.bases_loaded == 1
    finally:
        torch.set_num_threads(threads)
    growth = max(sizes[-len(cycle) :]) - max(sizes[:WARM])
    assert growth < MOST_GROWTH, f"grew by {growth} bytes over {switches - WARM} switches"
