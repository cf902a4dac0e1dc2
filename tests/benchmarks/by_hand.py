"""The smallest script that makes the benchmark's image by hand; arguments: model folder, LoRA file, output."""

import sys

import torch
from diffusers import StableDiffusionPipeline, TCDScheduler

model, lora, output = sys.argv[1:]
pipe = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32)
pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
pipe.load_lora_weights(lora)
pipe.fuse_lora()
image = pipe(
    prompt="a red heart",
    num_inference_steps=4,
    guidance_scale=0,
    eta=0.3,
    generator=torch.Generator("cpu").manual_seed(0),
).images[0]
image.save(output)
