"""Weights and images that change, are damaged or vanish between plan and run, during a run and during a sweep."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tcdflow import embedded
from tests.faults.conftest import records
from tests.zygote.client import Zygote

UNET = "own/unet/diffusion_pytorch_model.safetensors"
LORA = "lora.safetensors"
OWN = ("base.source=own", f"loras.tcd.source={LORA}", "sampling.steps=1")
AXES = ("-m", *OWN, "sampling.seed=1,2,3", "hydra.sweep.dir=s")
IMAGE = ("task=image_to_image", "task.image=in.png", "sampling.steps=2")


@pytest.fixture
def own(at: Path) -> Path:
    """A directory with a model, a LoRA and an image of its own."""
    shutil.copytree(embedded.model_path("emoji"), at / "own")
    shutil.copy(embedded.lora_path("emoji"), at / LORA)
    Image.new("RGB", (64, 64), "orange").save(at / "in.png")
    return at


def flip(data: bytes, place: int = -1) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


BEFORE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda data: data[: len(data) // 2], "is cut short"),
    "cut in its header": (lambda data: data[:100], "is cut short within its header"),
    "empty": (lambda data: b"", "is empty"),
    "a bit of its header": (lambda data: flip(data, 40), "is damaged"),
    "a bit of its length": (lambda data: flip(data, 3), "damaged at its start"),
    "another file": (lambda data: b"<!doctype html>", "is not a safetensors file but text"),
}


@pytest.mark.parametrize(("how", "file"), [*((how, UNET) for how in BEFORE), ("cut", LORA)])
def test_damage_is_found_before_anything_is_made(how: str, file: str, zygote: Zygote, own: Path) -> None:
    damage, words = BEFORE[how]
    whole = (own / file).read_bytes()
    (own / file).write_bytes(damage(whole))
    for argv in ((*OWN, "hydra.run.dir=run"), AXES):
        said = zygote.run(*argv, cwd=own, drawn=True)
        assert said.status == 2 and words in said.line() and Path(file).name in said.line()
        assert said.line().startswith("tcdflow: loras.tcd.source: " if file == LORA else "tcdflow: base.source: ")
    assert not (own / "run").exists() and not (own / "s").exists()


def changing(path: str, at: int, how: str = "b = bytearray(open(p, 'rb').read()); b[-1] ^= 1") -> dict[str, str]:
    """Change a file in place, its time of modification put back, when an image is about to be made."""
    code = f"import os\np = {path!r}\nif n == {at}:\n    t = os.stat(p).st_mtime_ns\n    {how}\n"
    code += "    open(p, 'wb').write(b)\n    os.utime(p, ns=(t, t))"
    return {"before": "before_each", "twist": code}


@pytest.mark.parametrize("file", [UNET, LORA])
def test_a_run_whose_file_changes_while_it_is_read(file: str, zygote: Zygote, own: Path) -> None:
    said = zygote.run(*OWN, "hydra.run.dir=run", cwd=own, **changing(file, 1))
    assert said.status == 1
    assert f"{Path(file).name} was changed while the run read it; start it again" in said.line()
    (record,) = records(own)
    assert record.status == "failed" and record.outputs == []
    assert zygote.run(*OWN, "hydra.run.dir=run", cwd=own).status == 0


@pytest.mark.parametrize(("file", "drawn"), [(UNET, True), (LORA, True), (UNET, False), (LORA, False)])
def test_a_sweep_whose_file_changes(file: str, drawn: bool, zygote: Zygote, own: Path) -> None:
    """No cell says done that was made from other bytes than those of the plan."""
    whole = (own / file).read_bytes()
    said = zygote.run(*AXES, cwd=own, drawn=drawn, **changing(file, 2))
    assert said.status == 1
    named = f"loras.tcd: {LORA}" if file == LORA else f"base: {UNET[4:]}"
    assert f"failed: 002_seed=3: {named}" in said.err
    assert "has changed since the plan" in said.err and "plan it again in another directory" in said.err
    done = [record for record in records(own) if record.status == "done"]
    assert len(done) == 1 + drawn, "only a real engine reads files"
    again = zygote.run("resume", "--retry-failed", "s", cwd=own, drawn=drawn)
    assert again.status == 1 and "has changed since the plan" in again.err
    (own / file).write_bytes(whole)
    assert zygote.run("resume", "--retry-failed", "s", cwd=own, drawn=drawn).status == 0
    assert len({file.sha256 for record in records(own) for file in record.lock}) == len(records(own)[0].lock)


def test_a_sweep_whose_weights_vanish_or_are_cut(zygote: Zygote, own: Path) -> None:
    gone = {"before": "before_each", "twist": f"import os\nif n == 2: os.remove({UNET!r})"}
    said = zygote.run(*AXES, cwd=own, **gone)
    assert said.status == 1 and "2 done, 1 failed" in said.err
    assert "failed: 002_seed=3: base: 'own': unet/diffusion_pytorch_model.safetensors is no longer there" in said.err
    assert [record.status for record in records(own)] == ["done", "done", "failed"]


@pytest.mark.parametrize("drawn", [True, False])
def test_an_input_image_that_vanishes(drawn: bool, zygote: Zygote, own: Path) -> None:
    gone = {"before": "before_each", "twist": "import os\nif n == 1: os.remove('in.png')"}
    axes = ("-m", *IMAGE, "sampling.seed=1,2", "hydra.sweep.dir=s")
    said = zygote.run(*axes, cwd=own, drawn=drawn, **gone)
    assert said.status == 1
    assert "failed: 001_seed=2: task.image: 'in.png': in.png is no longer there, or cannot be read" in said.err
    assert [record.status for record in records(own)] == ["done", "failed"]
    Image.new("RGB", (64, 64), "orange").save(own / "in.png")
    assert zygote.run("resume", "--retry-failed", "s", cwd=own, drawn=drawn).status == 0
    assert [record.status for record in records(own)] == ["done"] * 2


def test_what_a_sweep_cannot_even_measure_has_a_record(zygote: Zygote, own: Path) -> None:
    """A mask that is not of its image's size any more."""
    Image.new("L", (64, 64), 255).save(own / "mask.png")
    shrunk = "from PIL import Image\nif n == 1: Image.new('L', (32, 32), 255).save('mask.png')"
    task = ("task=inpainting", "task.image=in.png", "task.mask=mask.png", "sampling.steps=2")
    axes = ("-m", *task, "sampling.seed=1,2", "hydra.sweep.dir=s")
    said = zygote.run(*axes, cwd=own, drawn=True, before="before_each", twist=shrunk)
    assert said.status == 1 and "failed: 001_seed=2: " in said.err
    assert [record.status for record in records(own)] == ["done", "failed"]


@pytest.mark.parametrize("what", ["run", "s", "s/cells", "s/cells/001_seed=2"])
def test_a_directory_that_is_removed_meanwhile(what: str, zygote: Zygote, at: Path) -> None:
    sweeping = what != "run"
    argv = ("-m", "sampling.seed=1,2,3", "hydra.sweep.dir=s") if sweeping else ("hydra.run.dir=run",)
    removed = f"import shutil\nif n == {2 if sweeping else 1}: shutil.rmtree({what!r})"
    said = zygote.run(*argv, cwd=at, drawn=True, before="before_each", twist=removed)
    assert said.status == 1 and "000.png: cannot be written: No such file or directory" in said.err
    assert "Traceback" not in said.err
    records(at)
    assert zygote.run(*argv, cwd=at, drawn=True).status == (1 if what.startswith("s/") else 0) or sweeping
    if sweeping:
        assert zygote.run("resume", "--retry-failed", "s", cwd=at, drawn=True).status == 0
    assert {record.status for record in records(at)} == {"done"}
    assert len(records(at)) == (3 if sweeping else 1)


class TestCaches:
    """What is remembered between runs, damaged in every way, costs time at most."""

    @pytest.mark.parametrize("how", ["bytes", "folder", "loop", "nowhere", "endless", "pipe", "unreadable"])
    def test_damaged(self, how: str, zygote: Zygote, at: Path) -> None:
        cache = at / "cache"
        env = {"TCDFLOW_CACHE": str(cache)}
        axes = ("-m", "sampling.steps=1", "sampling.seed=1,2")
        assert zygote.run(*axes, "hydra.sweep.dir=s", cwd=at, drawn=True, env=env).status == 0
        (wanted, _) = records(at)
        files = [path for path in cache.rglob("*") if path.is_file()]
        assert {path.relative_to(cache).parts[0] for path in files} == {"hashes", "timings.json"}
        for path in files:
            path.unlink()
            if how == "bytes":
                path.write_bytes(os.urandom(300))
            elif how == "folder":
                path.mkdir()
            elif how == "pipe":
                os.mkfifo(path)
            elif how == "unreadable":
                path.symlink_to("/proc/self/mem")
            else:
                path.symlink_to({"loop": str(path), "nowhere": "/no/such", "endless": "/dev/zero"}[how])
        assert zygote.run("check", cwd=at, drawn=True, env=env).status == 0
        assert zygote.run(*axes, "hydra.sweep.dir=t", cwd=at, drawn=True, env=env).status == 0
        assert records(at / "t")[0].lock == wanted.lock

    def test_a_file_in_its_place(self, zygote: Zygote, at: Path) -> None:
        (at / "cache").write_text("no directory")
        env = {"TCDFLOW_CACHE": str(at / "cache")}
        for argv in (("hydra.run.dir=run",), ("-m", "sampling.seed=1,2"), ("check",)):
            assert zygote.run(*argv, cwd=at, drawn=True, env=env).status == 0
