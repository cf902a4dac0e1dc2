"""Whether the pixels are the same, and why they may not be."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.engine.warm import WarmEngine
from tcdflow.record import document
from tests.helpers import left_behind
from tests.rerun.conftest import Tcdflow, edit
from tests.zygote.client import Zygote


def test_identical_says_so_and_leaves_nothing(tcd: Tcdflow, here: Path) -> None:
    before = left_behind(here)
    said = tcd("rerun", "outputs/text", "--verify")
    assert (said.status, said.out, said.err) == (0, "000.png: identical\n001.png: identical\n", "")
    assert left_behind(here) == before


def test_a_changed_seed_of_the_record_is_named(tcd: Tcdflow) -> None:
    edit(Path("outputs/image/run.json"), ('"seed": 0,\n      "num', '"seed": 9,\n      "num'))
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 1
    first, second, *reasons = said.out.splitlines()
    shape = (
        r"000.png: differs: \d+ of 4096 pixels \([\d.]+ %\), by at most \d+ of 255, on average [\d.]+; PSNR [\d.]+ dB"
    )
    assert re.fullmatch(shape, first)
    assert second == "what differs between then and now, likeliest reason first:"
    assert reasons[0].startswith("  key: the record says")
    assert reasons[1] == "  spec: sampling.seed is 9 in run.json and 0 in 000.png"
    assert len(reasons) == 2


def test_overrides_and_threads_are_named_in_order(zygote: Zygote, here: Path) -> None:
    two = {"OMP_NUM_THREADS": "2"}
    done = zygote.run("rerun", "outputs/text", "--verify", "sampling.eta=1", cwd=here, env=two)
    assert done.status == 1
    assert done.out.splitlines()[-2:] == ["  spec: sampling.eta: 0.3 then, 1.0 now", "  threads: 1 then, 2 now"]


def test_threads_that_make_other_bits_are_the_reason(tcd: Tcdflow, here: Path) -> None:
    """On images that are large enough for two threads to share sums."""
    import torch

    import tcdflow

    large = ["sampling.width=256", "sampling.height=256", "sampling.num_images=1", "sampling.steps=2"]
    tcdflow.run("prompt=a fox", *large, "hydra.run.dir=outputs/large")
    torch.set_num_threads(2)
    try:
        said = tcd("rerun", "outputs/large", "--verify")
    finally:
        torch.set_num_threads(1)
    if said.status == 0:
        pytest.skip("on this machine two threads make the bits of one")
    *verdicts, why, reason = said.out.splitlines()
    assert said.status == 1 and any("differs: " in verdict for verdict in verdicts)
    assert (why, reason) == ("what differs between then and now, likeliest reason first:", "  threads: 1 then, 2 now")
    assert tcd("rerun", "outputs/large", "--verify").status == 0


def test_every_suspect_in_order(tcd: Tcdflow) -> None:
    path = Path("outputs/image/run.json")
    record = document.read_file(path)
    record.environment |= {
        "tcdflow": "0.0.1",
        "threads": 96,
        "attention": ["Xformers"],
        "device": "cuda:0",
        "tf32": True,
    }
    record.environment["packages"] |= {"torch": "1.0", "diffusers": "0.1", "peft": "0.2"}
    record.execution["components"]["unet"] |= {"dtype": "float16"}
    record.execution |= {"batch": {"size": 4}, "scheduler": "DDIMScheduler"}
    record.execution["loras"][0]["fused"] = False
    record.outputs[0].pixel_sha256 = "0" * 64
    record.write(path.parent)
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 1
    assert said.out.startswith("000.png: identical to the file, but not to what was recorded of its pixels\n")
    names = [line.strip().split(":")[0] for line in said.out.splitlines()[2:]]
    assert names == [
        "scheduler",
        "tcdflow",
        "torch",
        "diffusers",
        "peft",
        "device",
        "dtype of unet",
        "threads",
        "batch",
        "loras fused",
        "attention",
        "tf32",
    ]


def test_nothing_differs_but_the_pixels(tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcdflow.engine.sampler import SampleInput, Sampler

    make = Sampler.make

    def another(self: Sampler, wanted: Sequence[SampleInput]) -> object:
        taken = make(self, wanted)
        for one in taken:
            one.sample.frames[0].putpixel((3, 4), (1, 2, 3))
        return taken

    monkeypatch.setattr(Sampler, "make", another)
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 1
    assert "000.png: differs: 1 of 4096 pixels (0.02 %)" in said.out
    assert said.out.endswith("nothing that was recorded differs between then and now\n")


def test_a_image_that_was_changed_since(tcd: Tcdflow) -> None:
    with Image.open("outputs/image/000.png") as image:
        changed = image.convert("RGB")
    changed.putpixel((0, 0), (0, 0, 0))
    changed.save("outputs/image/000.png")
    said = tcd("rerun", "outputs/image", "--verify")
    assert said.status == 1
    assert "the file has been changed since: 1 of 4096 pixels" in said.out


def test_a_record_without_its_images_is_enough(tcd: Tcdflow) -> None:
    shutil.copy("outputs/image/run.json", "run.json")
    assert tcd("rerun", "run.json", "--verify").status == 0
    said = tcd("rerun", "run.json", "--verify", "sampling.eta=1")
    assert said.status == 1
    assert "how far is unknown without the image itself" in said.out


def test_a_image_alone_says_what_it_does_not_know(tcd: Tcdflow) -> None:
    shutil.copy("outputs/image/000.png", "alone.png")
    said = tcd("rerun", "alone.png", "--verify", "sampling.seed=4")
    assert said.status == 1
    assert "  spec: sampling.seed: 0 then, 4 now" in said.out
    assert said.out.endswith("its run.json does\n")


def test_another_number_of_images(tcd: Tcdflow) -> None:
    said = tcd("rerun", "outputs/text", "--verify", "sampling.seed=3")
    assert said.status == 1
    assert said.out.startswith("000.png: identical\nimages: 2 then, 1 now\n")


def test_what_failed_has_nothing_to_compare(tcd: Tcdflow) -> None:
    record = document.read(Path("outputs/image"))
    record.outputs, record.status = [], "failed"
    record.write(Path("outputs/image"))
    said = tcd("rerun", "outputs/image", "--verify")
    assert (said.status, said.err) == (
        2,
        "tcdflow: outputs/image: has no images to compare with: its status is failed\n",
    )


class TestSweeps:
    """Many runs on one engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def swept(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A directory with a sweep."""
        folder = tmp_path_factory.mktemp("swept")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            argv = ["-m", "prompt=a fox", "sampling.steps=1,2", "sampling.eta=0,0.5", "hydra.sweep.dir=outputs/many"]
            assert dispatch(argv) == 0
        return folder

    @pytest.fixture
    def sweep(self, swept: Path, here: Path) -> Path:
        """A copy of it in the working directory."""
        return Path(shutil.copytree(swept / "outputs/many", here / "outputs/many"))

    def test_all(self, sweep: Path, tcd: Tcdflow, engine: WarmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        from tcdflow.pipeline import base

        loads: list[object] = []
        load = base.load

        def counted(*args: Any) -> Any:
            loads.append(args)
            return load(*args)

        monkeypatch.setattr(base, "load", counted)
        engine.close()
        said = tcd("rerun", "--verify", "outputs/many")
        assert (said.status, said.out) == (0, "4 cells: 4 identical, 0 different\n")
        assert len(loads) == 1

    def test_a_cell_is_a_run(self, sweep: Path, tcd: Tcdflow) -> None:
        cell = min((sweep / "cells").iterdir())
        assert tcd("rerun", str(cell), "--verify").status == 0

    def test_different_and_damaged_ones(self, sweep: Path, tcd: Tcdflow) -> None:
        first, second, third, _ = sorted((sweep / "cells").iterdir())
        edit(first / "run.json", ('"prompt": "a fox"', '"prompt": "a bear"'))
        (second / "run.json").write_text("{")
        (third / "run.json").unlink()
        said = tcd("rerun", "--verify", "outputs/many")
        assert said.status == 1
        assert f"{first.name}: differs: " in said.out
        assert f"{second.name}: " in said.out
        assert "  spec: prompt is 'a bear' in run.json and 'a fox' in 000.png" in said.out
        assert said.out.endswith("3 cells: 1 identical, 1 different, 1 could not be compared, 1 not done\n")

    def test_one_that_cannot_be_made_does_not_stop_the_rest(
        self, sweep: Path, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tcdflow.engine.engine import Engine

        run = Engine.run_together
        failed: list[object] = []

        def fail_once(self: Engine, *args: Any) -> Any:
            if not failed:
                failed.append(args)
                raise RuntimeError("the device is on fire")
            return run(self, *args)

        monkeypatch.setattr(Engine, "run_together", fail_once)
        said = tcd("rerun", "--verify", "outputs/many")
        assert said.status == 1
        assert said.out.splitlines()[0].endswith(": the device is on fire")
        assert said.out.endswith("4 cells: 3 identical, 0 different, 1 could not be compared\n")

    def test_a_sample_is_the_same_each_time(self, sweep: Path, tcd: Tcdflow) -> None:
        from tcdflow.rerun.cells import sample

        assert sample(sweep, 2) == sample(sweep, 2)
        assert len(sample(sweep, 2)[0]) == 2
        assert sample(sweep, 9) == (sorted((sweep / "cells").iterdir()), 0)
        assert tcd("rerun", "--verify", "outputs/many", "--sample", "2").out == "2 cells: 2 identical, 0 different\n"

    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["outputs/many"], "is a sweep"),
            (["outputs/many", "--verify", "sampling.eta=1"], "without overrides"),
            (["outputs/many", "--verify", "--sample", "0"], "at least 1"),
            (["outputs/text", "--verify", "--sample", "2"], "directory of a sweep"),
            (["--verify"], "name what is to be made again"),
        ],
    )
    def test_wrong_requests(self, argv: list[str], words: str, sweep: Path, tcd: Tcdflow) -> None:
        said = tcd("rerun", *argv)
        assert said.status == 2
        assert words in said.err
        assert said.err.count("\n") == 1
