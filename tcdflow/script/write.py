"""Puts a script together from what the parts of a run write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tcdflow.request.request import Prepared
from tcdflow.script import loras, runtime
from tcdflow.script.files import Files, weights
from tcdflow.script.images import Given
from tcdflow.script.signatures import Signature, signature
from tcdflow.spec.formats import IMAGE_FORMATS
from tcdflow.spec.model import RunSpec
from tcdflow.spec.script import Lines, call, cannot_write, literal
from tcdflow.text import one_line


@dataclass(frozen=True)
class Known:
    """What is known of a run beside its spec.

    Attributes:
        about: lines for the comments at the beginning.
        threads: of torch that it computed with, where that counts.
        given: its input images as it used them.
        pixels: SHA-256 of the pixels of its images, by their numbers.
    """

    about: tuple[str, ...] = ()
    threads: int | None = None
    given: Given = field(default_factory=Given)
    pixels: Mapping[int, str] = field(default_factory=dict)


def write(run: Prepared, known: Known = Known()) -> str:
    """Return a script of plain diffusers that makes the images of a run.

    Args:
        run: with its files; device and dtype are those that it ran with, as far as they are known.
        known: what else is known of it.

    Raises:
        ConfigError: naming what of it has no few lines in plain diffusers.
    """
    spec = run.spec
    assert spec.pipeline is not None, "refused by tcdflow.spec.rules"
    _check_names(spec)
    files, takes = Files(run, known.given), signature(spec.pipeline)
    lines = Lines()
    lines.use("torch")
    lines.use("diffusers", takes.name)
    lines.add(spec.family.script(spec))
    lines.add(spec.task.script(files))
    for kind, adapters in spec.adapters_by_kind.items():
        lines.add(kind.script(adapters, files, spec))
    scheduler = spec.scheduler.script()
    lines.add(Lines(scheduler.imports, notes=scheduler.notes))
    denoiser = f"pipe.{spec.family.denoiser_folder}"
    process = list(runtime.of_process(spec.runtime, known.threads, lines))
    body = [
        *process,
        *runtime.device_and_dtype(spec.runtime),
        "",
        *_pipeline(spec, files, takes, lines),
        *runtime.before_loras(spec.runtime, denoiser),
        *_paragraph(loras.stack(spec, files, takes, lines)),
        *_paragraph(scheduler.attach),
        *_paragraph([*lines.configure, *runtime.after_loras(spec, denoiser)]),
        *_paragraph(lines.inputs),
        "",
        *_loop(spec, takes, lines, known),
    ]
    head = [f"# {one_line(line)}" for line in known.about]
    return "\n".join([*head, "", *_imports(lines), "", *body]) + "\n"


def _check_names(spec: RunSpec) -> None:
    if len({name.replace("-", "_") for name in spec.adapters}) < len(spec.adapters):
        raise cannot_write("adapters", "adapters whose names differ in - and _ alone")


def _imports(lines: Lines) -> Iterator[str]:
    if "hashlib" in lines.imports:
        yield "import hashlib"
        yield ""
    yield from sorted(
        f"import {module}" for module, names in lines.imports.items() if not names and module != "hashlib"
    )
    named = sorted((module.lower(), module, sorted(names)) for module, names in lines.imports.items() if names)
    yield from (f"from {module} import {', '.join(names)}" for _, module, names in named)


def _paragraph(statements: Iterable[str]) -> list[str]:
    found = list(statements)
    return ["", *found] if found else []


def _pipeline(spec: RunSpec, files: Files, takes: Signature, lines: Lines) -> Iterator[str]:
    """Yield what loads the base with the parts that adapters bring, in the order of :mod:`tcdflow.pipeline.base`."""
    base = files.artifact("base")
    settings = {
        name: literal(value) for name, value in spec.family.loading_options(spec).items() if name in takes.parts
    }
    options = settings | lines.options | _vae(files, lines)
    yield from lines.models
    if said := files.where("base"):
        yield f"# {said}"
    if base.single:
        place = files.file("base", lines) | files.config("base.config", lines)
        yield from call(f"pipe = {takes.name}.from_single_file", place | options)
    else:
        place = files.place("base")
        if "subfolder" in place:
            raise cannot_write("base.source", "a base in a folder of a repository")
        yield from call(f"pipe = {takes.name}.from_pretrained", place | weights(base) | options)
    yield from lines.attach
    if (tiny := "runtime.tiny_vae") in files.run.files.by_role:
        lines.use("diffusers", "AutoencoderTiny")
        chosen = weights(files.artifact(tiny))
        yield from call("pipe.vae = AutoencoderTiny.from_pretrained", files.place(tiny) | chosen)


def _vae(files: Files, lines: Lines) -> dict[str, str]:
    found = files.run.files.by_role.get("base.vae")
    if found is None:
        return {}
    if not found.single:
        return {"vae": files.model("diffusers", "AutoencoderKL", "base.vae", "vae", lines)}
    lines.use("diffusers", "AutoencoderKL")
    layout = files.config("base.config" if "base.config" in files.run.files.by_role else "base", lines)
    place = files.file("base.vae", lines) | layout | {"subfolder": '"vae"'}
    lines.models += call("vae = AutoencoderKL.from_single_file", place)
    return {"vae": "vae"}


def _loop(spec: RunSpec, takes: Signature, lines: Lines, known: Known) -> Iterator[str]:
    """Yield what makes the images, each in a call of its own or several to a call, and saves them."""
    seeds, size = spec.sampling.seeds, spec.runtime.batch_size
    where = "device" if spec.sampling.generator == "device" else '"cpu"'
    together = size > 1 and len(seeds) > 1
    arguments = _call(spec, takes, lines)
    yield f"seeds = {list(seeds)!r}"
    if known.pixels:
        yield "pixels = [  # SHA-256 of the run's, image by image"
        yield from (f"    {literal(known.pixels.get(number))}," for number in range(len(seeds)))
        yield "]"
        lines.use("hashlib")
    if together:
        yield f"for first in range(0, len(seeds), {size}):"
        yield f"    batch = seeds[first : first + {size}]"
        yield f"    generators = [torch.Generator({where}).manual_seed(seed) for seed in batch]"
        arguments |= {name: f"[{arguments[name]}] * len(batch)" for name in lines.per_image}
        arguments |= {"num_images_per_prompt": "len(batch)", "generator": "generators"}
    else:
        yield "for number, seed in enumerate(seeds):"
        arguments["generator"] = f"torch.Generator({where}).manual_seed(seed)"
    yield from (f"    {line}" for line in call("output = pipe", arguments, lines.notes))
    if spec.task.animated:
        yield "    for frame, result in enumerate(output.frames[0]):"
        yield '        result.save(f"{number:03d}_{frame:03d}.png")'
        return
    yield "    for number, result in enumerate(output.images, first):" if together else "    result = output.images[0]"
    indent = "        " if together else "    "
    yield from (f"{indent}{line}" for line in [*lines.finish, 'result.save(f"{number:03d}.png")'])
    if known.pixels:
        yield f"{indent}if hashlib.sha256(result.tobytes()).hexdigest() != pixels[number]:"
        yield f'{indent}    print(f"{{number:03d}}.png is not pixel for pixel the run\'s")'


def _call(spec: RunSpec, takes: Signature, lines: Lines) -> dict[str, str]:
    sampling = spec.sampling
    settings = {
        "num_inference_steps": sampling.steps,
        "eta": sampling.eta,
        "guidance_scale": sampling.guidance_scale,
        "width": spec.width,
        "height": spec.height,
        **spec.task.settings(),
    }
    arguments = lines.call | {name: literal(value) for name, value in settings.items() if name in takes.call}
    if strange := [name for name in arguments if name not in takes.call]:
        raise cannot_write("task.name", f"{strange[0]} with {takes.name}")
    return arguments


def lossless(spec: RunSpec) -> bool:
    """Say whether the files of a run hold its pixels exactly, so that their hashes are those of a script's."""
    return not spec.task.animated and IMAGE_FORMATS[spec.output.format].lossless
