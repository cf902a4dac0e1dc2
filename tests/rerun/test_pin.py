"""The same files that were read, or none: commits of the hub, and hashes compared before anything is loaded."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import tcdflow
from tcdflow import embedded
from tcdflow.record import document
from tests.functional.test_no_torch import HARNESS, HEAVY
from tests.helpers import left_behind, python
from tests.hub import StandInHub
from tests.hub.fixtures import point_client_at
from tests.rerun.conftest import Tcdflow, edit

UNET = "unet/diffusion_pytorch_model.safetensors"
LORA = "lora/tcd.safetensors"


@pytest.fixture(scope="module")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of files that lie in the working directory."""
    folder = tmp_path_factory.mktemp("local")
    shutil.copytree(embedded.model_path("emoji"), folder / "own/model")
    (folder / "lora").mkdir()
    shutil.copy(embedded.lora_path("emoji"), folder / LORA)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = ["base.source=own/model", f"loras.tcd.source={LORA}", "sampling.steps=1"]
        tcdflow.run(*said, "hydra.run.dir=outputs/local")
    return folder


@pytest.fixture
def local(local_run: Path, here: Path) -> Path:
    """A working directory with a copy of that run and its files."""
    shutil.copytree(local_run, here, dirs_exist_ok=True)
    return here


def damage(path: Path) -> None:
    """Change the last byte: the header stays whole."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_changed_file_is_refused_before_torch_is_imported(local: Path, tmp_path: Path) -> None:
    then = next(f.sha256 for f in document.read(local / "outputs/local").lock if f.file == UNET)
    damage(local / "own/model" / UNET)
    before, told = left_behind(local), tmp_path / "told.json"
    for verb in (["outputs/local"], ["outputs/local/000.png", "--verify"]):
        code = f"sys.argv = {['tcdflow', 'rerun', *verb]}; from tcdflow.cli import main; main()"
        done = python("-c", HARNESS, json.dumps(HEAVY), str(told), code, cwd=local)
        assert (done.returncode, done.stdout, json.loads(told.read_text())) == (2, "", [])
        assert done.stderr.startswith(f"tcdflow: base: {UNET} has changed: its sha256 was {then} and is ")
        assert done.stderr.count("\n") == 1
    assert left_behind(local) == before


def test_a_image_that_was_given_is_pinned_too(tcd: Tcdflow, here: Path) -> None:
    shutil.copy(here / "mask.png", here / "shape.png")
    said = tcd("rerun", "outputs/image")
    assert said.status == 2
    assert "task.image: shape.png has changed" in said.err


def test_a_file_that_was_moved_is_told_how_to_be_named(local: Path, tcd: Tcdflow) -> None:
    (local / LORA).rename(local / "elsewhere.safetensors")
    said = tcd("rerun", "outputs/local")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "where it was moved to is named by loras.tcd.source=PATH" in said.err
    assert tcd("rerun", "outputs/local", "loras.tcd.source=elsewhere.safetensors").status == 0


def test_an_image_that_is_lost_is_told_how_it_was_used(
    here: Path, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(here / "cache"))
    where = "outputs/a=b, c"
    resized = ("sampling.width=80", "sampling.height=72", "task.fit=crop")
    assert tcd("rerun", "outputs/image", *resized, f"hydra.run.dir='{where}'").status == 0
    (here / "shape.png").unlink()
    told = tcd("rerun", where, "--verify").line()
    (word,) = shlex.split(told.partition(", and the image as that run used it by ")[2])
    said = tcd("rerun", where, "--verify", word)
    assert (said.status, said.out) == (0, "000.png: identical\n"), said
    (here / where / "inputs/image.png").write_bytes(b"another")
    assert tcd("rerun", where, "--verify").line().endswith("is named by task.image=PATH")


def test_a_damaged_file_is_not_told_to_have_moved(local: Path, tcd: Tcdflow) -> None:
    (local / LORA).write_bytes(b"no weights")
    said = tcd("rerun", "outputs/local")
    assert said.status == 2 and "loras.tcd.source" in said.err and "moved" not in said.err


def test_another_source_lifts_the_check_of_its_part_alone(local: Path, tcd: Tcdflow) -> None:
    shutil.copytree(local / "own/model", local / "own/other")
    damage(local / "own/other" / UNET)
    assert tcd("rerun", "outputs/local", "base.source=own/other", "hydra.run.dir=again").status == 0
    damage(local / LORA)
    said = tcd("rerun", "outputs/local", "base.source=own/other")
    assert said.status == 2
    assert "loras.tcd: tcd.safetensors has changed" in said.err
    assert "base:" not in said.err
    assert tcd("rerun", "outputs/local", "loras.tcd.weight=0.5").status == 2
    assert tcd("rerun", "outputs/local", "~loras.tcd", "hydra.run.dir=third").status == 0


def test_files_that_have_gone(local: Path, tcd: Tcdflow) -> None:
    (local / "own/model" / UNET).unlink()
    said = tcd("rerun", "outputs/local")
    assert said.status == 2
    assert "base.source" in said.err
    assert "unet" in said.err


def test_files_that_came(local: Path, tcd: Tcdflow) -> None:
    (local / "own/model/tokenizer/added_tokens.json").write_text("{}")
    said = tcd("rerun", "outputs/local")
    assert said.status == 2
    assert "base: tokenizer/added_tokens.json is not in the lock" in said.err


def test_a_local_folder_that_has_gone_is_not_sought_on_the_hub(local: Path, tcd: Tcdflow, hub: StandInHub) -> None:
    hub.add("own/model", embedded.model_path("emoji"))
    shutil.rmtree(local / "own")
    said = tcd("rerun", "outputs/local")
    assert said.status == 2
    assert "base.source: 'own/model': names a local folder or file of another machine" in said.err
    assert hub.requests == []


def test_a_lock_cannot_be_left_out(tcd: Tcdflow) -> None:
    record = document.read(Path("outputs/image"))
    whole = record.lock
    for lock, words in (([], "its lock is empty"), (whole[1:], "is not in the lock")):
        record.lock = list(lock)
        record.write(Path("outputs/image"))
        said = tcd("rerun", "outputs/image")
        assert said.status == 2
        assert words in said.err


class TestHub:
    """A branch moves; a commit does not."""

    @pytest.fixture(scope="class")
    @classmethod
    def hub_run(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        """A directory with a run at a commit that its branch has left; the hub and its cache are there still."""
        folder, model = tmp_path_factory.mktemp("hub"), embedded.model_path("emoji")
        with StandInHub(page_size=3) as hub, pytest.MonkeyPatch.context() as patch:
            point_client_at(hub.endpoint, folder / "hf", patch)
            patch.chdir(folder)
            repo = hub.add("o/emoji", model)
            tcdflow.run("base.source=o/emoji", "sampling.steps=1", "hydra.run.dir=outputs/hub")
            files = {f.relative_to(model).as_posix(): f.read_bytes() for f in model.rglob("*") if f.is_file()}
            repo.commit(files | {UNET: files[UNET][:-1] + bytes([files[UNET][-1] ^ 1])})
            yield folder

    @pytest.fixture
    def first(self, hub_run: Path, here: Path) -> str:
        """The commit of a copy of that run."""
        shutil.copytree(hub_run / "outputs", here / "outputs", dirs_exist_ok=True)
        (revision,) = {f.revision for f in document.read(here / "outputs/hub").lock if f.role == "base"}
        assert revision is not None
        return revision

    def test_the_commit_of_the_lock_is_used(self, first: str, tcd: Tcdflow, here: Path) -> None:
        assert tcd("rerun", "outputs/hub", "--verify", "hydra.run.dir=again").status == 0
        then, now = document.read(here / "outputs/hub"), document.read(here / "again")
        assert (now.lock, now.spec, now.key) == (then.lock, then.spec, then.key)

    def test_a_folder_of_that_name_is_not_taken_for_it(self, first: str, tcd: Tcdflow, here: Path) -> None:
        (here / "o/emoji").mkdir(parents=True)
        assert tcd("rerun", "outputs/hub/000.png", "--verify").status == 0

    def test_whoever_asks_for_the_branch_gets_it(self, first: str, tcd: Tcdflow, here: Path) -> None:
        assert tcd("rerun", "outputs/hub", "base.source=o/emoji@main", "hydra.run.dir=again").status == 0
        (revision,) = {f.revision for f in document.read(here / "again").lock if f.role == "base"}
        assert revision != first

    def test_other_bytes_at_that_commit(self, first: str, tcd: Tcdflow) -> None:
        record = document.read(Path("outputs/hub"))
        sha256 = next(f.sha256 for f in record.lock if f.file == UNET)
        edit(Path("outputs/hub/run.json"), (sha256, "0" * 64))
        said = tcd("rerun", "outputs/hub")
        assert said.status == 2
        assert f"was {'0' * 64} and is {sha256}" in said.err
