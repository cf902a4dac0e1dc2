"""Real runs of the embedded model: what they leave behind, and that it can be made again."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tcdflow
from tcdflow import embedded
from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.engine.warm import WarmEngine
from tcdflow.errors import ConfigError
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.request import timings
from tcdflow.spec.model import RunSpec
from tests.helpers import environment, left_behind, run_composed, until
from tests.zygote.client import Zygote

HEART = ["prompt=a red heart", "sampling.steps=4", "sampling.eta=0.3", "sampling.seed=0"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A second thread gains nothing with a model this small, and loses much where other processes want the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> tcdflow.Result:
    """A run that several tests look at."""
    return run(tmp_path_factory.mktemp("heart"), *HEART)


def run(directory: Path, *overrides: str) -> tcdflow.Result:
    return tcdflow.run(*overrides, f"hydra.run.dir={directory}")


def hashes(record: Record) -> list[str]:
    return [output.pixel_sha256 for output in record.outputs]


class TestAgain:
    """The same request makes the same pixels."""

    def test_on_a_warm_engine(self, heart: tcdflow.Result, tmp_path: Path) -> None:
        run(tmp_path / "other", "prompt=a fox", "sampling.eta=1", "loras=[]", "sampling.guidance_scale=2")
        again = run(tmp_path / "again", *HEART)
        assert hashes(again.record) == hashes(heart.record)
        assert again.record.key == heart.record.key

    def test_in_a_process_of_its_own(self, heart: tcdflow.Result, zygote: Zygote, tmp_path: Path) -> None:
        done = zygote.run(*HEART, "hydra.run.dir=made", cwd=tmp_path)
        assert done.status == 0, done.err
        (printed,) = done.out.splitlines()
        assert Path(tmp_path, printed).samefile(tmp_path / "made" / "000.png")
        record = document.read(tmp_path / "made")
        assert hashes(record) == hashes(heart.record)
        assert record.key == heart.record.key
        assert record.overrides == [*HEART, "hydra.run.dir=made"]
        assert {".hydra", ".hydra/config.yaml", "000.png", "run.json", "run.log"} <= set(left_behind(tmp_path / "made"))

    def test_each_image_of_a_list_is_the_one_made_alone(self, tmp_path: Path) -> None:
        few = ["prompt=a fox", "sampling.steps=1"]
        together = run(tmp_path / "list", *few, "sampling.seed=[5,3,5]")
        counted = run(tmp_path / "count", *few, "sampling.seed=3", "sampling.num_images=3")
        alone = {seed: run(tmp_path / str(seed), *few, f"sampling.seed={seed}") for seed in (3, 4, 5)}
        by_seed = {seed: hashes(result.record)[0] for seed, result in alone.items()}
        assert len(set(by_seed.values())) == 3
        assert hashes(together.record) == [by_seed[seed] for seed in (5, 3, 5)]
        assert hashes(counted.record) == [by_seed[seed] for seed in (3, 4, 5)]
        assert [output.file for output in together.record.outputs] == ["000.png", "001.png", "002.png"]

    def test_a_directory_is_chosen_with_pluses_too(self, tmp_path: Path) -> None:
        assert tcdflow.run("sampling.steps=1", f"++hydra.run.dir={tmp_path}").directory == tmp_path

    @pytest.mark.parametrize(
        "change", ["prompt=a blue heart", "sampling.seed=1", "sampling.eta=0.9", "sampling.steps=3", "loras=[]"]
    )
    def test_another_request_makes_other_pixels(self, change: str, heart: tcdflow.Result, tmp_path: Path) -> None:
        other = run(tmp_path, *HEART, change)
        assert hashes(other.record) != hashes(heart.record)
        assert other.record.key != heart.record.key

    def test_a_spec_read_back_is_the_spec(self, heart: tcdflow.Result) -> None:
        read = RunSpec.model_validate(document.read(heart.directory).spec)
        assert (read.sampling.width, read.sampling.height) == (64, 64)
        as_said = read.sampling.model_copy(update={"width": None, "height": None})
        assert read.model_copy(update={"sampling": as_said}) == tcdflow.compose(*HEART)


class TestRecord:
    """The record says what was really done."""

    def test_it_is_on_disk_as_it_is_in_the_result(self, heart: tcdflow.Result) -> None:
        assert document.read(heart.directory) == heart.record
        assert heart.record.status == "done"

    def test_the_timesteps_are_those_of_the_paper(self, heart: tcdflow.Result) -> None:
        execution = heart.record.execution
        assert execution["timesteps"] == [999, 759, 499, 259]
        assert execution["unet_calls"] == 4
        assert execution["batch"]["size"] == 1

    def test_unet_calls_are_counted_over_all_images(self, tmp_path: Path) -> None:
        execution = run(tmp_path, *HEART, "sampling.num_images=2", "sampling.steps=3").record.execution
        assert (execution["unet_calls"], len(execution["timesteps"])) == (6, 3)

    def test_what_made_the_image_is_named(self, heart: tcdflow.Result) -> None:
        execution, environment = heart.record.execution, heart.record.environment
        assert (execution["pipeline"], execution["scheduler"]) == ("StableDiffusionPipeline", "TCDScheduler")
        (lora,) = execution["loras"]
        assert (lora["name"], lora["weight"], lora["fused"]) == ("tcd", 1.0, True)
        assert sum(lora["modules"].values()) > 10
        assert {"unet", "vae", "text_encoder"} <= execution["components"].keys()
        assert {part["dtype"] for part in execution["components"].values()} == {"float32"}
        assert {"load", "encode", "denoise", "decode"} <= execution["seconds"].keys() | {"load"}
        assert all(seconds >= 0 for seconds in execution["seconds"].values())
        assert execution["peak_memory_bytes"] > 1_000_000
        assert (environment["device"], environment["threads"]) == ("cpu", 1)
        assert {"torch", "diffusers", "transformers", "peft"} <= environment["packages"].keys()

    def test_how_long_it_took_is_remembered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "memory"))
        spec = RunSpec.model_validate(run(tmp_path / "made", *HEART).record.spec)
        seconds, unknown = timings.estimate([(spec, True, True)])
        assert seconds > 0 and unknown == 0

    def test_the_lock_names_each_file_with_its_hash(self, heart: tcdflow.Result) -> None:
        folder = embedded.model_path("emoji")
        roots = {"base": folder, "loras.tcd": embedded.lora_path("emoji").parent}
        locked = {(file.role, file.file): file for file in heart.record.lock}
        assert {"unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"} <= {
            name for role, name in locked if role == "base"
        }
        assert [role for role, name in locked if name.endswith("pytorch_lora_weights.safetensors")] == ["loras.tcd"]
        for (role, _), file in locked.items():
            (path,) = [p for p in roots[role].rglob("*") if p.is_file() and p.as_posix().endswith(f"/{file.file}")]
            assert (file.size, file.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
            assert file.revision == embedded.version("emoji")

    def test_the_outputs_are_what_lies_there(self, heart: tcdflow.Result) -> None:
        (output,), (path,), (image,) = heart.record.outputs, heart.paths, heart.images
        assert hashlib.sha256(path.read_bytes()).hexdigest() == output.sha256
        with Image.open(path) as written:
            assert written.tobytes() == image.tobytes()
            assert hashlib.sha256(written.tobytes()).hexdigest() == output.pixel_sha256
            assert written.size == (output.width, output.height) == (64, 64)
            assert json.loads(written.info["tcdflow"])["spec"] == heart.record.spec
            assert "Steps: 4, Sampler: TCD" in written.info["parameters"]

    def test_the_image_is_a_red_heart(self, heart: tcdflow.Result) -> None:
        """Not noise and not black: red in the middle, white in the corners."""
        (image,) = heart.images
        red, green, blue = image.resize((1, 1), Image.Resampling.BOX, (24, 24, 40, 36)).getpixel((0, 0))  # type: ignore[misc]
        assert red > 150 > 100 > max(green, blue)
        assert min(image.getpixel((2, 61))) > 200  # type: ignore[arg-type]

    def test_a_notebook_shows_it(self, heart: tcdflow.Result) -> None:
        assert heart._repr_png_().startswith(b"\x89PNG")


class TestDirectories:
    """Where a run writes."""

    def test_two_runs_of_one_second_do_not_share_a_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        results = [tcdflow.run("sampling.steps=1") for _ in range(3)]
        assert len({result.directory for result in results}) == 3
        assert all((tmp_path / result.directory).is_relative_to(tmp_path / "outputs") for result in results)

    def test_a_wrong_request_makes_none(self, tmp_path: Path) -> None:
        with pytest.raises(tcdflow.ConfigError):
            run(tmp_path / "made", "loras.tcd.source=./no/such/file.safetensors")
        assert left_behind(tmp_path) == []

    def test_a_directory_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(tcdflow.OutputError, match="file"):
            run(tmp_path / "file" / "made", *HEART)


class TestEnds:
    """Runs that do not end well say so, and the next one is none the worse."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> WarmEngine:
        return WarmEngine()

    def test_a_failure(self, heart: tcdflow.Result, engine: WarmEngine, tmp_path: Path) -> None:
        def fail(*_: int) -> None:
            raise RuntimeError("the device is on fire")

        composition = Composer().compose([*HEART, f"hydra.run.dir={tmp_path}"])
        with pytest.raises(RuntimeError, match="on fire"):
            run_composed(composition, engine, fail)
        record = document.read(tmp_path)
        assert (record.status, record.outputs) == ("failed", [])
        assert record.error is not None
        assert (record.error.type, record.error.message) == ("RuntimeError", "the device is on fire")
        again = run_composed(composition, engine)
        assert hashes(again.record) == hashes(heart.record)

    def test_an_interrupt_in_mid_denoise(self, heart: tcdflow.Result, engine: WarmEngine, tmp_path: Path) -> None:
        steps: list[int] = []

        def interrupt(image: int, done: int, of: int) -> None:
            steps.append(done)
            if (done, of) == (2, 4):
                raise KeyboardInterrupt

        composition = Composer().compose([*HEART, f"hydra.run.dir={tmp_path}"])
        with pytest.raises(KeyboardInterrupt):
            run_composed(composition, engine, interrupt)
        assert steps == [1, 2]
        record = document.read(tmp_path)
        assert (record.status, record.outputs, left_behind(tmp_path)[-1]) == ("interrupted", [], "run.json")
        again = run_composed(composition, engine)
        assert (again.record.status, hashes(again.record)) == ("done", hashes(heart.record))

    def test_an_interrupt_keeps_the_images_that_are_made(
        self, heart: tcdflow.Result, engine: WarmEngine, tmp_path: Path
    ) -> None:
        def interrupt(image: int, done: int, of: int) -> None:
            if image == 2:
                raise KeyboardInterrupt

        composition = Composer().compose([*HEART, "sampling.num_images=3", f"hydra.run.dir={tmp_path}"])
        with pytest.raises(KeyboardInterrupt):
            run_composed(composition, engine, interrupt)
        record = document.read(tmp_path)
        assert record.status == "interrupted"
        assert record.error is not None
        assert record.error.message == "interrupted with 2 of 3 images made"
        assert [output.file for output in record.outputs] == ["000.png", "001.png"]
        assert record.outputs[0].pixel_sha256 == heart.record.outputs[0].pixel_sha256
        whole = run_composed(composition, engine).record
        assert whole.outputs[:2] == record.outputs
        assert (whole.status, len(whole.outputs)) == ("done", 3)

    def test_a_failure_on_the_command_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("the device is on fire")

        monkeypatch.setattr("tcdflow.engine.engine.Engine.run_together", fail)
        assert dispatch([*HEART, f"hydra.run.dir={tmp_path}"]) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("tcdflow: failed: RuntimeError: the device is on fire")
        assert document.read(tmp_path).status == "failed"
        assert "Traceback" in (tmp_path / "run.log").read_text()

    def test_ctrl_c_in_mid_denoise_of_a_real_process(self, zygote: Zygote, tmp_path: Path) -> None:
        pressed = "import os, signal\nif done == 2: os.kill(os.getpid(), signal.SIGINT)"
        where = "hydra.run.dir=made"
        done = zygote.run(*HEART, where, cwd=tmp_path, before="at_each_step", twist=pressed)
        assert (done.status, done.out, done.err) == (130, "", "tcdflow: interrupted\n")
        record = document.read(tmp_path / "made")
        assert (record.status, record.outputs) == ("interrupted", [])

    @pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for other processes")
    def test_ctrl_c_at_the_very_start_of_a_real_process(self, tmp_path: Path) -> None:
        """As soon as the record stands there, while torch is being imported."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tcdflow", "sampling.num_images=1000", "hydra.run.dir=made"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            until((tmp_path / "made" / "run.json").exists)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        assert (process.returncode, out) == (130, "")
        assert err.endswith("tcdflow: interrupted\n")
        assert document.read(tmp_path / "made").status == "interrupted"


def test_a_sweep_writes_every_cell_and_loads_the_model_once(
    heart: tcdflow.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tcdflow.pipeline import base

    loads: list[str] = []
    load = base.load

    def counted(spec: RunSpec, *args: Any) -> Any:
        loads.append(spec.base.source)
        return load(spec, *args)

    monkeypatch.setattr(base, "load", counted)
    said = ["prompt=a red heart", "sampling.eta=0.3,0.5,1.0", "sampling.seed=0,2", f"hydra.sweep.dir={tmp_path}"]
    assert dispatch(["-m", *said]) == 0
    capfd.readouterr()
    records = [document.read(path.parent) for path in sorted(tmp_path.glob("cells/*/run.json"))]
    assert [record.status for record in records] == ["done"] * 6
    wanted = {(eta, seed) for eta in (0.3, 0.5, 1.0) for seed in (0, 2)}
    made = {(r.spec["sampling"]["eta"], r.spec["sampling"]["seed"]): r for r in records}
    assert made.keys() == wanted
    assert len({record.key for record in records}) == 6
    assert loads == ["embedded:emoji"]
    assert hashes(made[0.3, 0]) == hashes(heart.record)
    assert made[0.3, 0].key == heart.record.key


class TestWhatIsThere:
    """A run replaces an earlier run of its directory, and nothing else."""

    def test_its_own_input_is_not_replaced(self, tmp_path: Path) -> None:
        made = run(tmp_path, *HEART)
        before = made.paths[0].read_bytes()
        asked = [*HEART, "task=image_to_image", f"task.image={made.paths[0]}", f"hydra.run.dir={tmp_path}"]
        with pytest.raises(ConfigError, match=r"hydra\.run\.dir = .* holds task\.image = 000\.png"):
            run_composed(Composer().compose(asked), lambda: pytest.fail("not needed"))
        assert made.paths[0].read_bytes() == before
        assert document.read(tmp_path).status == "done"

    def test_an_image_of_no_run_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "000.png").write_bytes(b"mine")
        with pytest.raises(ConfigError, match=r"holds 000\.png, which no run has made"):
            run_composed(Composer().compose([*HEART, f"hydra.run.dir={tmp_path}"]), lambda: pytest.fail("not needed"))
        assert (tmp_path / "000.png").read_bytes() == b"mine"
        assert left_behind(tmp_path) == ["000.png"]
