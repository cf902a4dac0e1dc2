"""``tcdflow check``: compose, validate and show what would run. Runs nothing, imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tcdflow.app import Job, plan
from tcdflow.cli import flags
from tcdflow.cli.run import warn
from tcdflow.errors import printable
from tcdflow.spec.compose import Composer, Composition
from tcdflow.spec.model import RunSpec


def check(argv: Sequence[str]) -> int:
    """Show what a run or a sweep would do."""
    args = flags.parse(argv[1:])
    composer = Composer(args.config_dir)
    compositions = plan(composer, args.overrides) if args.multirun else [composer.compose(args.overrides)]
    warn(dict.fromkeys(text for composition in compositions for text in composition.warnings))
    if args.multirun:
        _show_sweep(compositions)
    print(_described(compositions[0]), flush=True)
    jobs = [Job.prepare(composition) for composition in compositions]
    _show_files(jobs[0])
    return 0


def _show_sweep(compositions: Sequence[Composition]) -> None:
    shared = set.intersection(*(set(c.overrides) for c in compositions))
    print(f"{len(compositions)} cells")
    for number, composition in enumerate(compositions):
        own = " ".join(text for text in composition.overrides if text not in shared)
        print(f"  {number:3d}  {printable(own)}")
    calls = sum(unet_calls(c.spec) for c in compositions)
    print(f"UNet calls in all: {calls}\nthe first cell:")


def unet_calls(spec: RunSpec) -> int:
    """Return how often the UNet is called for a spec."""
    twice = 2 if spec.scheduler.name == "dpmpp_2s" else 1
    return spec.sampling.steps * len(spec.sampling.seeds) // twice * twice


def _described(composition: Composition) -> str:
    spec = composition.spec
    sampling = spec.sampling
    loras = ", ".join(
        f"{name} ({lora.weight if isinstance(lora.weight, float) else 'by block'})" for name, lora in spec.loras.items()
    )
    fused = ", fused" if spec.lora_stack.fuse and spec.loras else ""
    guidance = f"guidance {sampling.guidance_scale:g}" if spec.guided else "no guidance"
    rows = {
        "prompt": spec.prompt,
        "base": f"{spec.base.source} ({spec.base.family})",
        "scheduler": spec.scheduler.name,
        "loras": (loras or "none") + fused,
        "sampling": f"{sampling.steps} steps, eta {sampling.eta:g}, {guidance}, seeds {_listed(sampling.seeds)}",
        "size": f"{spec.width} x {spec.height}",
        "runtime": f"device {spec.runtime.device}, dtype {spec.runtime.dtype}",
        "UNet calls": str(unet_calls(spec)) + (", each of twice the work for guidance" if spec.guided else ""),
    }
    return "\n".join(f"{name:<10}  {printable(text)}" for name, text in rows.items())


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) if len(seeds) <= 8 else f"{seeds[0]} to {seeds[-1]}"


def _show_files(job: Job) -> None:
    for artifact in job.artifacts:
        size = sum((artifact.root / name).stat().st_size for name in artifact.files)
        at = f" at {artifact.revision}" if artifact.revision else ""
        print(f"{artifact.role:<10}  {len(artifact.files)} file(s), {size / 1e6:.1f} MB: {artifact.source}{at}")
    sys.stdout.flush()
