"""Runtime options in a script, in the order that the libraries need (:mod:`tcdflow.pipeline.optimizations`)."""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow.spec.model import CompileSpec, RunSpec, RuntimeSpec
from tcdflow.spec.script import Lines, call, literal


def of_process(runtime: RuntimeSpec, threads: int | None, lines: Lines) -> Iterator[str]:
    """Yield what is set of the whole process, before a device is touched.

    Args:
        runtime: the options.
        threads: that the run computed with; None where that is not known, or does not count.
        lines: gets the imports.
    """
    if threads is not None:
        yield f"torch.set_num_threads({threads})  # as in the run: another number changes the last bits"
    if runtime.deterministic:
        lines.use("diffusers.utils.torch_utils", "enable_full_determinism")
        yield "enable_full_determinism()"
    if runtime.tf32:
        yield "torch.backends.cuda.matmul.allow_tf32 = True"
        yield "torch.backends.cudnn.allow_tf32 = True"


def device_and_dtype(runtime: RuntimeSpec) -> Iterator[str]:
    """Yield device and precision; where the run's are not known, as a run chooses them."""
    if runtime.device == "auto":
        yield 'device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"'
    else:
        yield f"device = {literal(runtime.device)}"
    if runtime.dtype != "auto":
        yield f"dtype = torch.{runtime.dtype}"
    elif runtime.device == "auto":
        yield 'dtype = torch.float32 if device == "cpu" else torch.float16'
    else:
        yield f"dtype = torch.{'float32' if runtime.device == 'cpu' else 'float16'}"


def before_loras(runtime: RuntimeSpec, denoiser: str) -> Iterator[str]:
    """Yield what LoRAs do not touch."""
    if runtime.offload == "none":
        yield "pipe.to(device)"
    if runtime.vae_slicing:
        yield "pipe.vae.enable_slicing()"
    if runtime.vae_tiling:
        yield "pipe.vae.enable_tiling()"
    if runtime.channels_last:
        yield f"{denoiser}.to(memory_format=torch.channels_last)"
        yield "pipe.vae.to(memory_format=torch.channels_last)"


def after_loras(spec: RunSpec, denoiser: str) -> Iterator[str]:
    """Yield layerwise casting, compilation and offloading."""
    runtime = spec.runtime
    if runtime.layerwise_casting != "none":
        formats = {"storage_dtype": f"torch.{runtime.layerwise_casting}", "compute_dtype": "dtype"}
        yield from call(f"{denoiser}.enable_layerwise_casting", formats)
    if runtime.compile is not None:
        yield from _compile(runtime.compile, denoiser)
    if runtime.offload == "model":
        yield "pipe.enable_model_cpu_offload(device=device)  # once LoRAs are loaded"
    elif runtime.offload == "sequential":
        yield "pipe.enable_sequential_cpu_offload(device=device)  # once LoRAs are loaded"
    elif runtime.offload == "group":
        options = {"onload_device": "torch.device(device)", "offload_device": 'torch.device("cpu")'}
        options |= {"offload_type": '"leaf_level"'}
        streamed = {"use_stream": 'device.startswith("cuda")', "exclude_modules": '"vae"'}
        yield from call("pipe.enable_group_offload", options | streamed)
        yield from call("pipe.vae.enable_group_offload", options)


def _compile(spec: CompileSpec, denoiser: str) -> Iterator[str]:
    options = {"backend": literal(spec.backend), "dynamic": "False"}
    if spec.backend == "inductor":
        options["mode"] = literal(spec.mode)
    yield f"{denoiser}.requires_grad_(False)"
    if spec.scope == "unet":
        yield from call(f"{denoiser}.forward = torch.compile", {"*": f"{denoiser}.forward", **options})
        return
    yield f"for module in {denoiser}.modules():"
    yield '    if type(module).__name__ == "BasicTransformerBlock":'
    yield from (f"        {line}" for line in call("module.compile", options))
