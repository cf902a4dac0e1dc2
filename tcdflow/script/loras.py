"""The LoRA stack in a script: loaded, weighted and fused as a run does it."""

from __future__ import annotations

from tcdflow.files.lora_plain import not_plain
from tcdflow.pipeline.adapter_names import adapter_name
from tcdflow.script.files import Files
from tcdflow.script.signatures import Signature, signature
from tcdflow.spec.model import RunSpec
from tcdflow.spec.script import Lines, call, cannot_write, literal


def stack(spec: RunSpec, files: Files, takes: Signature, lines: Lines) -> list[str]:
    """Return the statements that put a run's LoRAs on ``pipe``.

    Args:
        spec: of the run.
        files: its files.
        takes: what its pipeline takes.
        lines: gets the imports.

    Raises:
        ConfigError: if diffusers would not read a file as a run does, or the stack is merged.
    """
    if not spec.loras:
        return []
    if spec.lora_stack.merge is not None:
        raise cannot_write("lora_stack.merge", f"lora_stack.merge.method={spec.lora_stack.merge.method}")
    statements, loader = _loader(spec, takes, lines)
    for name in spec.loras:
        _check(name, files)
        if said := files.where(f"loras.{name}"):
            statements.append(f"# {said}")
        statements += call(
            f"{loader}.load_lora_weights", files.place(f"loras.{name}") | {"adapter_name": literal(adapter_name(name))}
        )
    weights = [lora.weight for lora in spec.loras.values()]
    names = [adapter_name(name) for name in spec.loras]
    statements += call(f"{loader}.set_adapters", {"*": literal(names), "adapter_weights": literal(weights)})
    if spec.lora_stack.fuse:
        statements += _fuse(spec, takes, call(f"{loader}.fuse_lora", {"adapter_names": literal(names)}))
    return statements


def _fuse(spec: RunSpec, takes: Signature, statements: list[str]) -> list[str]:
    fused = [*statements[:-1], f"{statements[-1]}  # into the weights: a step takes half the time"]
    if spec.runtime.offload == "none":
        return fused
    names = (spec.family.denoiser_folder, "text_encoder", "text_encoder_2")
    parts = ", ".join(f"pipe.{name}" for name in names if name in takes.parts)
    return [
        f"parts = [{parts}]",
        "for part in parts:",
        "    part.to(device)  # where a run fuses: the CPU rounds otherwise",
        *fused,
        "for part in parts:",
        '    part.to("cpu")',
    ]


def _check(name: str, files: Files) -> None:
    role = f"loras.{name}"
    found = files.artifact(role)
    if found.absent:
        raise cannot_write(f"{role}.source", "a LoRA that is not on this machine (tcdflow fetch brings it)")
    if what := not_plain(found.path):
        raise cannot_write(f"{role}.source", what)


def _loader(spec: RunSpec, takes: Signature, lines: Lines) -> tuple[list[str], str]:
    """Return the pipeline that loads LoRAs, with the statements that make it where that is not the run's."""
    if takes.loads_loras:
        return [], "pipe"
    plain = signature(spec.family.pipelines["text_to_image"])
    lines.use("diffusers", plain.name)
    parts = {name: f"pipe.{name}" for name in plain.parts if name in takes.parts and name in _components(takes)}
    options = {name: literal(value) for name, value in spec.family.loading_options(spec).items() if name in plain.parts}
    return [
        f"# {takes.name} loads no LoRAs; this one loads them into the same parts.",
        *call(f"loader = {plain.name}", parts | options),
    ], "loader"


def _components(takes: Signature) -> tuple[str, ...]:
    """Return parameters of a constructor that are parts, and not settings."""
    return tuple(name for name in takes.parts if not name.startswith(("requires_", "force_", "add_")))
