"""The tightest loop of images by hand; arguments: model folder, LoRA file, output folder, seeds."""

import itertools
import sys
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, TCDScheduler

model, lora, output, *seeds = sys.argv[1:]
pipe = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32)
pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
pipe.load_lora_weights(lora)
pipe.fuse_lora()
pipe.unload_lora_weights()
pipe.set_progress_bar_config(disable=True)
for prompt in ("a red heart", "a blue star", "a green leaf", "a yellow sun"):
    with torch.no_grad():
        embeds, _ = pipe.encode_prompt(prompt, "cpu", 1, False)
    for seed, eta in itertools.product(map(int, seeds), (0.0, 0.3, 0.6, 1.0)):
        image = pipe(
            prompt_embeds=embeds,
            num_inference_steps=4,
            guidance_scale=0,
            eta=eta,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]
        image.save(Path(output) / f"{prompt}_{seed}_{eta}.png")
