"""Pickled weights: refused by name, read as tensors where the user allows it, and never run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers.utils import load_image

import tcdflow
from tcdflow.cli.command import dispatch
from tcdflow.errors import ConfigError
from tcdflow.files.artifact import Artifacts
from tcdflow.files.finder import Finder
from tcdflow.files.source import parse
from tcdflow.parts.preprocessors.depth import Depth
from tcdflow.pipeline.unpickle import without_pickles
from tcdflow.record.document import read
from tests.fidelity import by_hand, pickled
from tests.fidelity.conftest import Run, Thin
from tests.fidelity.same import assert_same
from tests.helpers import Write
from tests.standins import StandIns

ALLOWED = "security.allow_pickle=true"
Sources = Mapping[str, Path]

UNITED = ["base=sd15", "base.size=64", "sampling.steps=2", "prompt=a fox", "adapters=[depth_sd15,ip_adapter_sd15]"]
"""A run with a part of nearly every kind; motion adapters and single files are for themselves."""


@pytest.fixture(scope="module")
def safe(standins: StandIns) -> Sources:
    """The source of each part as safetensors, by its key."""
    adapters = standins.ip_adapter / "models"
    return {
        "base.source": standins.sd15,
        "adapters.depth.source": standins.controlnet("sd15", "depth"),
        "adapters.depth.preprocessor.source": standins.depth_estimator,
        "adapters.ip_adapter.source": adapters / "ip-adapter_sd15.safetensors",
        "adapters.ip_adapter.image_encoder": adapters / "image_encoder",
        "runtime.tiny_vae": standins.tiny_vae,
    }


@pytest.fixture
def asked(thin: Thin, photo: Path, safe: Sources) -> Sources:
    """The same with the LoRA and the images."""
    pictures = {"adapters.depth.image": photo, "adapters.ip_adapter.images": photo}
    return {**safe, "loras.tcd.source": thin("sd15", "tcd"), **pictures}


def words(sources: Sources) -> list[str]:
    return [f"{key}={path}" for key, path in sources.items()]


def as_pickles(sources: Sources, to: Path) -> Sources:
    return {
        "base.source": pickled.folder(sources["base.source"], to / "base", sharded="unet"),
        "adapters.depth.source": pickled.folder(sources["adapters.depth.source"], to / "net"),
        "adapters.depth.preprocessor.source": pickled.folder(sources["adapters.depth.preprocessor.source"], to / "dpt"),
        "adapters.ip_adapter.source": pickled.file(sources["adapters.ip_adapter.source"], to / "ip.bin", nested=True),
        "adapters.ip_adapter.image_encoder": pickled.folder(
            sources["adapters.ip_adapter.image_encoder"], to / "encoder"
        ),
        "runtime.tiny_vae": pickled.folder(sources["runtime.tiny_vae"], to / "tiny"),
        "loras.tcd.source": pickled.file(sources["loras.tcd.source"], to / "tcd.pt"),
    }


def test_the_pixels_are_those_of_safetensors(run: Run, asked: Sources, tmp_path: Path) -> None:
    expected = run(*UNITED, *words(asked))
    sources = {**asked, **as_pickles(asked, tmp_path / "pickles")}
    made = run(*UNITED, *words(sources), ALLOWED)
    assert_same(made.images[0], expected.images[0])
    named = {(file.role, file.file) for file in made.record.lock}
    assert {("loras.tcd", "tcd.pt"), ("base", "text_encoder/pytorch_model.bin")} <= named
    assert ("base", "unet/diffusion_pytorch_model.bin.index.json") in named
    assert "loras.tcd: tcd.pt is a pickle; only its tensors are read (weights_only)" in made.record.warnings
    assert read(made.directory).warnings == made.record.warnings
    again = tmp_path / "again"
    assert dispatch(["rerun", str(made.directory), f"hydra.run.dir={again}"]) == 2
    assert dispatch(["rerun", str(made.directory), f"hydra.run.dir={again}", ALLOWED]) == 0
    assert read(again).outputs[0].pixel_sha256 == expected.record.outputs[0].pixel_sha256
    assert read(again).lock == made.record.lock


def test_single_files(run: Run, standins: StandIns, thin: Thin, tmp_path: Path) -> None:
    """A training checkpoint of a base, and a motion adapter."""
    motion = standins.motion_adapter("v1-5") / "diffusion_pytorch_model.safetensors"
    asked = ["experiment=animation", "base.size=64", "task.num_frames=2", "sampling.steps=1", "~loras.zoom_in"]
    asked += [f"base.config={standins.sd15}", f"loras.tcd.source={thin('sd15', 'tcd')}"]
    asked += [f"adapters.motion.config={motion.parent}"]
    checkpoint = pickled.file(standins.single_file("sd15"), tmp_path / "trained.ckpt", trained=True)
    module = pickled.file(motion, tmp_path / "motion.pth")
    expected = run(*asked, f"base.source={standins.single_file('sd15')}", f"adapters.motion.source={motion}")
    made = run(*asked, f"base.source={checkpoint}", f"adapters.motion.source={module}", ALLOWED)
    for ours, theirs in zip(made.animations[0], expected.animations[0], strict=True):
        assert_same(ours, theirs)


ROLES = [
    "base.source",
    "loras.tcd.source",
    "adapters.depth.source",
    "adapters.depth.preprocessor.source",
    "adapters.ip_adapter.source",
    "adapters.ip_adapter.image_encoder",
    "runtime.tiny_vae",
]


@pytest.mark.parametrize("key", ROLES)
def test_a_malicious_pickle_runs_nothing(
    key: str, asked: Sources, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "it-ran"
    source = tmp_path / "evil.bin"
    if asked[key].is_file():
        pickled.evil(source, trace)
    else:
        source = tmp_path / "evil"
        shutil.copytree(asked[key], source)
        victim = next(path for path in sorted(source.rglob("*.safetensors")) if "fp16" not in path.name)
        for path in victim.parent.glob("*.safetensors*"):
            path.unlink()
        name = "pytorch_model.bin" if victim.stem == "model" else f"{victim.stem}.bin"
        pickled.evil(victim.with_name(name), trace)
    asking = [*UNITED, *words({**asked, key: source}), f"hydra.run.dir={tmp_path / 'run'}"]
    assert dispatch(asking) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"tcdflow: {key}: ")
    assert "which can run code; safetensors are needed (security.allow_pickle=true" in said
    assert not (tmp_path / "run").exists()
    assert dispatch([*asking, ALLOWED]) == 2
    said = "\n".join(line for line in capfd.readouterr().err.splitlines() if "warning" not in line)
    assert "cannot be read as tensors and nothing else" in said
    assert said.startswith(f"tcdflow: {key} = ")
    assert "\n" not in said
    assert not trace.exists()
    assert read(tmp_path / "run").status == "failed"


@pytest.mark.parametrize("key", ["adapters.motion.source", "base.source"])
def test_nor_does_one_in_a_single_file(
    key: str, standins: StandIns, thin: Thin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "it-ran"
    source = pickled.evil(tmp_path / "evil.ckpt", trace)
    asking = ["experiment=animation", "base.size=64", "~loras.zoom_in", f"loras.tcd.source={thin('sd15', 'tcd')}"]
    asking += [f"base.config={standins.sd15}", f"adapters.motion.config={standins.motion_adapter('v1-5')}"]
    asking += [f"base.source={standins.sd15}", f"adapters.motion.source={standins.motion_adapter('v1-5')}"]
    asking += [f"{key}={source}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert dispatch(asking) == 2
    assert f"{key}: '{source}': evil.ckpt is a pickle, which can run code" in capfd.readouterr().err
    assert dispatch([*asking, ALLOWED]) == 2
    assert "evil.ckpt cannot be read as tensors and nothing else" in capfd.readouterr().err
    assert not trace.exists()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04.", id="no object"),
        pytest.param(b"cos\nsystem\n(S'touch it-ran'\ntR.", id="protocol 0"),
        pytest.param(b"PK\x03\x04" + bytes(40), id="no archive"),
        pytest.param(b"not a pickle", id="text"),
    ],
)
def test_what_is_no_state_dict_is_one_line(words: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lora.bin").write_bytes(words)
    with pytest.raises(ConfigError, match=r"lora\.bin cannot be read as tensors and nothing else: \S") as caught:
        tcdflow.run("loras.tcd.source=./lora.bin", ALLOWED, "hydra.run.dir=run")
    assert "\n" not in str(caught.value)
    assert not Path("it-ran").exists()


class TestOnlyThePersonMayAllow:
    """A config, a record and a plan may be untrusted."""

    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tcdflow import embedded

        monkeypatch.chdir(tmp_path)
        pickled.file(embedded.lora_path("emoji"), tmp_path / "lora.bin")

    @pytest.mark.parametrize(
        "yaml",
        [
            "# @package _global_\nsecurity: {allow_pickle: true}\n",
            "# @package security\nallow_pickle: true\n",
            "# @package _global_\nsweep: {axes: {security.allow_pickle: [true]}}\n",
            "# @package _global_\nsweep: {axes: {+security.allow_pickle: 'true,true'}}\n",
            "# @package _global_\nsweep: {axes: {security: ['{allow_pickle: true}']}}\n",
        ],
    )
    def test_no_config(self, yaml: str, configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
        folder = configs({"experiment/mine.yaml": yaml})
        asked = ["--config-dir", str(folder), "experiment=mine", "loras.tcd.source=./lora.bin"]
        for mode in ([], ["-m"]) if "sweep" not in yaml else (["-m"],):
            assert dispatch([*mode, *asked]) == 2
            assert "security" in capfd.readouterr().err
        assert not Path("outputs").exists()

    def test_no_plan(self, capfd: pytest.CaptureFixture[str]) -> None:
        asked = ["-m", "loras.tcd.source=./lora.bin", "sampling.steps=1,2", "hydra.sweep.dir=swept"]
        assert dispatch(asked) == 2
        assert dispatch([*asked, ALLOWED]) == 0
        warnings = read(Path("swept/cells/000_steps=1")).warnings
        assert warnings == ["loras.tcd: lora.bin is a pickle; only its tensors are read (weights_only)"]
        shutil.rmtree("swept/cells/000_steps=1")
        capfd.readouterr()
        for verb in (["resume", "swept"], ["fetch", "swept"], ["rerun", "--verify", "swept"]):
            assert dispatch(verb) == (1 if "--verify" in verb else 2)
            assert "lora.bin is a pickle, which can run code" in "".join(capfd.readouterr())
            assert dispatch([*verb, ALLOWED]) == 0

    @pytest.mark.parametrize("said", ["security.allow_pickle=yes_please", "security.allow_pickel=true", "security={}"])
    def test_what_is_said_is_understood_or_refused(self, said: str, capfd: pytest.CaptureFixture[str]) -> None:
        for verb in ([], ["-m"], ["check"], ["fetch"], ["resume", "."], ["rerun", "."]):
            assert dispatch([*verb, said]) == 2
            assert capfd.readouterr().err.startswith(f"tcdflow: {said.partition('=')[0]}: ")


def test_the_depth_estimator_of_the_guide(standins: StandIns, photo: Path) -> None:
    """It is a pickle, its image processor's config is an old one, and it lacks weights that the model never uses."""
    image = load_image(str(photo))
    (found,) = without_pickles(
        Artifacts.of([Finder(unpickle=True).model_folder("dpt", parse(str(standins.midas)), False)])
    )
    made = Depth(name="depth")(image, (by_hand.EDGE, by_hand.EDGE), {"source": found.path}, torch.device("cpu"))
    assert_same(made, by_hand.depth_map(standins.midas, image))


def test_a_depth_estimator_of_safetensors(standins: StandIns, photo: Path) -> None:
    image = load_image(str(photo))
    models = {"source": standins.depth_estimator}
    made = Depth(name="depth")(image, (by_hand.EDGE, by_hand.EDGE), models, torch.device("cpu"))
    assert_same(made, by_hand.depth_map(standins.depth_estimator, image))
