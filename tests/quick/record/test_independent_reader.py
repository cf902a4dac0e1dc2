"""Another's reader finds in our images what galleries show: sd-parsers, which knows nothing of tcdflow."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from sd_parsers import ParserManager
from sd_parsers.data import Generators, PromptInfo

from tcdflow.config.compose import Composer
from tcdflow.files.lock import LockedFile, lock
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.spec.model import RunSpec
from tests.helpers import prepared

SAID = (
    "prompt=a red fox, its tail: white (really)",
    "negative_prompt=blurry, ugly",
    "sampling.guidance_scale=2.5",
    "sampling.steps=6",
    "sampling.eta=0.5",
    "sampling.seed=[7,9]",
    "sampling.width=64",
    "sampling.height=96",
    "loras.tcd.weight=0.8",
)


@pytest.fixture(params=["png", "jpeg", "webp"])
def output(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(directory: Path, *overrides: str) -> tuple[RunSpec, tuple[LockedFile, ...], list[Path]]:
    """Write images as a run writes them, with the embedded model's real lock."""
    job = prepared(Composer().compose([*SAID, *overrides]))
    spec, files = job.spec, lock(job.files)
    with RunDirectory.open(directory, spec) as run:
        run.lock(files)
        run.save([Sample((Image.new("RGB", (64, 96), "orange"),), seed) for seed in spec.sampling.seeds])
    return spec, files, [directory / made.file for made in run.record.outputs]


_READ: list[Image.Image] = []
"""Images that stay: sd-parsers tells the last one from the next by its address in memory."""


def read(path: Path) -> PromptInfo | None:
    with Image.open(path) as image:
        _READ.append(image)
        return ParserManager().parse(image)


def test_it_finds_what_was_said(output: str, tmp_path: Path) -> None:
    _, files, paths = written(tmp_path, f"output.format={output}")
    for path, seed in zip(paths, ("7", "9"), strict=True):
        found = read(path)
        assert found is not None
        assert found.generator is Generators.AUTOMATIC1111
        assert found.full_prompt == "a red fox, its tail: white (really) <lora:tcd:0.8>"
        assert found.full_negative_prompt == "blurry, ugly"
        (sampler,) = found.samplers
        assert sampler.name == "TCD"
        assert sampler.parameters == {"steps": "6", "cfg_scale": "2.5", "seed": seed}
        assert (found.metadata["Size"], found.metadata["Eta"]) == ("64x96", "0.5")
        sha256 = {(file.role, file.file): file.sha256 for file in files}
        unet = next(sha256[name] for name in sha256 if name[0] == "base" and name[1].startswith("unet/diff"))
        lora = next(sha256[name] for name in sha256 if name[0] == "loras.tcd")
        assert sampler.model is not None
        assert (sampler.model.name, sampler.model.hash) == ("emoji", unet[:10])
        assert found.metadata["Hashes"] == {"model": unet[:10], "lora:tcd": lora[:10]}


def test_it_finds_nothing_where_nothing_was_to_be_left(output: str, tmp_path: Path) -> None:
    spec, files, paths = written(tmp_path, f"output.format={output}", "output.metadata=none")
    texts = [spec.prompt, spec.negative_prompt, "tcdflow", "Steps", *(file.sha256[:10] for file in files)]
    for path in paths:
        assert read(path) is None
        data = path.read_bytes()
        assert not [text for text in texts for code in ("utf-8", "utf-16-be") if text.encode(code) in data]
        with Image.open(path) as image:
            assert not {"exif", "xmp", "parameters", "tcdflow", "comment"} & set(image.info)
            assert not dict(image.getexif())
    assert [path.name for path in sorted(tmp_path.glob("0*"))] == sorted(path.name for path in paths)
