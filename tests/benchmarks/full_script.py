"""The tightest script for a base of the real size: images with one LoRA after the other; argument: settings as JSON.

It turns the collector off and leaves without teardown. It prints what its stages took; `tests.benchmarks.full` says
what the settings are.
"""

import gc
import json
import os
import sys
import time

gc.disable()
settings = json.loads(sys.argv[1])

import torch  # noqa: E402
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, TCDScheduler  # noqa: E402

seconds: dict[str, float] = {}
last = time.perf_counter()


def lap(stage: str) -> None:
    global last
    now = time.perf_counter()
    seconds[stage] = seconds.get(stage, 0) + now - last
    last = now


cls = StableDiffusionXLPipeline if settings["size"] == "sdxl" else StableDiffusionPipeline
pipe = cls.from_pretrained(settings["base"], dtype=getattr(torch, settings["dtype"]))
pipe.scheduler = TCDScheduler.from_config(pipe.scheduler.config)
pipe.set_progress_bar_config(disable=True)
lap("load")
attached = None
for number, (lora, eta) in enumerate(settings["cells"]):
    if lora != attached:
        if attached is not None:
            if settings["fuse"]:
                pipe.unfuse_lora()  # not exact, but no script that keeps this memory is
            pipe.unload_lora_weights()
        pipe.load_lora_weights(lora)
        if settings["fuse"]:
            pipe.fuse_lora()
            if lora == settings["cells"][-1][0]:
                pipe.unload_lora_weights()  # without the wrappers each layer is called directly
        attached = lora
        lap("loras")
    with torch.inference_mode():
        latents = pipe(
            settings["prompt"],
            num_inference_steps=settings["steps"],
            guidance_scale=0,
            eta=eta,
            width=settings["side"],
            height=settings["side"],
            generator=torch.Generator("cpu").manual_seed(0),
            output_type="latent",
        ).images
        lap("denoise")
        decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    image = pipe.image_processor.postprocess(decoded)[0]
    lap("decode")
    image.save(f"{settings['out']}/{number}.png")
print(json.dumps(seconds), flush=True)
os._exit(0)
