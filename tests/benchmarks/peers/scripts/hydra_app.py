"""An image by an @hydra.main script, as one writes it; ``keep`` keeps the pipeline for the next job of a multirun."""

from functools import cache
from pathlib import Path
from typing import Any

import hydra
import torch
from diffusers import StableDiffusionPipeline, TCDScheduler
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig


def load(model: str, lora: str) -> Any:
    pipe = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32)
    pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(lora)
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    return pipe


kept = cache(load)


@hydra.main(version_base=None, config_path=".", config_name="hydra_app")
def main(cfg: DictConfig) -> None:
    pipe = (kept if cfg.keep else load)(cfg.model, cfg.lora)
    image = pipe(
        prompt=cfg.prompt,
        num_inference_steps=4,
        guidance_scale=0,
        eta=cfg.eta,
        generator=torch.Generator("cpu").manual_seed(cfg.seed),
    ).images[0]
    image.save(Path(HydraConfig.get().runtime.output_dir) / "image.png")


if __name__ == "__main__":
    main()
