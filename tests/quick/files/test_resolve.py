"""From the sources of a run on this machine to its files: what is chosen, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tcdflow import embedded
from tcdflow.errors import ConfigError, SourceError
from tcdflow.files import store
from tcdflow.files.lock import lock
from tcdflow.files.resolve import Artifacts, resolve
from tcdflow.files.source import parse
from tcdflow.spec.model import RunSpec

from .fakes import index, model_folder, needed, pipeline, spec, weight_file, weights, write

UNET = "unet/diffusion_pytorch_model.safetensors"


def problems(run: RunSpec) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(run)
    lines = [str(problem) for problem in caught.value.problems]
    assert not any("\n" in line for line in lines)
    return lines


def test_the_embedded_model_and_its_lora() -> None:
    found = resolve(spec("embedded:emoji", loras={"tcd": "embedded:emoji/tcd_lora"}))
    assert (found.base.revision, found.base.single, found.base_config) == (embedded.version("emoji"), False, None)
    assert found.base.path == embedded.model_path("emoji")
    assert found.lora("tcd").path == embedded.lora_path("emoji")
    assert {"model_index.json", "unet/config.json", "tokenizer/vocab.json"} <= set(found.base.files)
    assert not any("tcd_lora" in name or name.endswith(".md") for name in found.base.files)
    assert len(lock(found)) == len(found.base.files) + 1


@pytest.mark.parametrize("half", [False, True])
def test_a_folder(half: bool, sd: Path) -> None:
    base = resolve(spec(str(sd)), half).base
    assert set(base.files) == needed(".fp16" if half else "")
    assert (base.path, base.variant, base.revision) == (sd, "fp16" if half else None, None)
    assert all((base.root / name).is_file() for name in base.files)


def test_the_safety_checker_of_a_folder(sd: Path) -> None:
    assert set(resolve(spec(str(sd), safety_checker=True)).base.files) == needed(safety_checker=True)


def test_links_to_folders_and_files_are_followed(sd: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for entry in sd.iterdir():
        (linked / entry.name).symlink_to(entry)
    (linked / "unet" / "loop").symlink_to(linked)
    assert set(resolve(spec(str(linked))).base.files) == needed()


def test_a_single_file_and_its_layout(sd: Path, tmp_path: Path) -> None:
    (tmp_path / "art.safetensors").write_bytes(weights())
    found = resolve(spec(str(tmp_path / "art.safetensors"), config=str(sd)))
    assert found.base.single
    assert found.base.path == tmp_path / "art.safetensors"
    assert found.base_config is not None
    assert found.base_config.path == sd
    assert "unet/config.json" in found.base_config.files
    assert not [name for name in found.base_config.files if "safetensors" in name or "README" in name]


def test_a_single_file_needs_its_layout(tmp_path: Path) -> None:
    (tmp_path / "art.safetensors").write_bytes(weights())
    assert problems(spec(str(tmp_path / "art.safetensors"))) == [
        "base.config: a single-file checkpoint needs the folder or repository it follows"
    ]
    (line,) = problems(spec(str(tmp_path / "art.safetensors"), config=str(tmp_path / "art.safetensors")))
    assert line.endswith("is a file; the layout of a single-file checkpoint is a folder or repository")


def test_loras_by_folder_and_file(sd: Path, tmp_path: Path) -> None:
    write(tmp_path / "a", {"pytorch_lora_weights.safetensors": weights(), "other.safetensors": weights()})
    write(tmp_path / "b", {"style.safetensors": weights(), "README.md": b""})
    loras = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b"), "c": str(tmp_path / "a" / "other.safetensors")}
    found = resolve(spec(str(sd), loras=loras))
    assert [found.lora(name).path.relative_to(tmp_path).as_posix() for name in "abc"] == [
        "a/pytorch_lora_weights.safetensors",
        "b/style.safetensors",
        "a/other.safetensors",
    ]


def test_a_file_is_found_without_listing_its_folder(sd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.safetensors").write_bytes(weights())

    def refuse(self: store.Folder, inside: str = "") -> tuple[str, ...]:
        raise AssertionError("listed")

    monkeypatch.setattr(store.Folder, "listing", refuse)
    assert weight_file("loras.x", parse(str(tmp_path / "x.safetensors"))).path == tmp_path / "x.safetensors"


def test_folders_are_not_walked_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "deep", {**pipeline(), "a/b/c/d/e.txt": b"", "unet/sub/x.safetensors": weights()})
    scanned: list[str] = []
    real = os.scandir

    def watch(folder: Path) -> object:
        scanned.append(str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", watch)
    assert set(resolve(spec(str(tmp_path / "deep"))).base.files) == needed()
    assert not any(folder.endswith(("a/b", "unet/sub")) for folder in scanned)


def test_a_folder_with_far_too_many_files_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_FILES", 5)
    write(tmp_path / "many", {f"{i}.txt": b"" for i in range(7)})
    (line,) = problems(spec(str(tmp_path / "many")))
    assert "holds more than 5 files and is not a model folder" in line


def test_all_wrong_sources_are_said_at_once_and_once_each(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    here = Path.cwd()
    run = spec(str(tmp_path / "empty"), loras={"tcd": "./nowhere", "style": "no hub id", "e": "embedded:emojo"})
    lines = problems(run)
    assert lines == [
        f"base.source: '{tmp_path}/empty': is empty",
        f"loras.tcd.source: './nowhere': there is no such file or folder in {here}",
        f"loras.style.source: 'no hub id': there is no such file or folder in {here}, and it is not a hub id of the "
        "form owner/name[@revision][/path]",
        "loras.e.source: 'embedded:emojo': no embedded model is called 'emojo'; there is: emoji, icons",
    ]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("model_index.json", None, "is not a diffusers pipeline: it has no model_index.json; for a single-file "
                                   "checkpoint add its name to the source: v1-5-pruned-emaonly.safetensors"),
        ("model_index.json", b"{", "its model_index.json is not JSON"),
        ("model_index.json", index(**{"../x": ["diffusers", "A"]}), "damaged entry '../x'"),
        ("model_index.json", index(unet=["subprocess", "Popen"]), "takes unet from 'subprocess'"),
        (UNET, weights()[:-2], f"{UNET} is cut short: 2 of its bytes are missing"),
        (UNET, b"version https://git-lfs", f"{UNET} is a Git LFS pointer"),
        ("unet/diffusion_pytorch_model.safetensors.index.json", b"{}", "in parts, of which 0 of all are there"),
    ],
)  # fmt: skip
def test_a_damaged_folder(name: str, content: bytes | None, why: str, sd: Path) -> None:
    (sd / name).unlink(missing_ok=True)
    if content is not None:
        (sd / name).write_bytes(content)
    (line,) = problems(spec(str(sd)))
    assert line.startswith(f"base.source: '{sd}': ")
    assert why in line
    assert line.count(str(sd)) == 1


def test_shards_are_checked_against_their_index(tmp_path: Path) -> None:
    files = pipeline()
    del files["unet/diffusion_pytorch_model.safetensors"]
    parts = [f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    files |= {f"unet/{part}": weights() for part in parts}
    shard_index = "unet/diffusion_pytorch_model.safetensors.index.json"
    files[shard_index] = json.dumps({"metadata": {}, "weight_map": {"a": parts[0], "b": parts[1]}}).encode()
    sd = write(tmp_path / "sharded", files)
    assert {shard_index, *(f"unet/{part}" for part in parts)} <= set(resolve(spec(str(sd))).base.files)

    (sd / shard_index).write_text(json.dumps({"weight_map": {"a": parts[0], "b": "../../evil.bin"}}))
    (line,) = problems(spec(str(sd)))
    assert f"{shard_index} names '../../evil.bin'" in line


@pytest.mark.parametrize("ending", [".bin", ".ckpt", ".pt", ".pth", ".pkl"])
def test_pickles_are_refused_by_name_in_every_role(ending: str, sd: Path, tmp_path: Path) -> None:
    file = tmp_path / f"x{ending}"
    file.write_bytes(b"\x80\x02")
    lines = problems(spec(str(file), loras={"a": str(file), "b": f"owner/name/x{ending}"}))
    assert len(lines) == 3
    assert all(f"x{ending} is a pickle, which can run code; safetensors are needed" in line for line in lines)


def test_a_pickle_under_another_name_is_refused(sd: Path, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"PK\x03\x04" + bytes(60))
    (line,) = problems(spec(str(sd), loras={"x": str(tmp_path / "x.safetensors")}))
    assert "x.safetensors is a pickle under another name" in line


def test_another_kind_of_file_is_refused(sd: Path, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    (line,) = problems(spec(str(sd), loras={"x": str(tmp_path / "x.png")}))
    assert line.endswith("x.png is not a .safetensors file")


@pytest.mark.parametrize(
    ("half", "variant", "chosen"),
    [(False, "auto", None), (True, "auto", "fp16"), (True, None, None), (False, "fp16", "fp16")],
)
def test_one_model_folder(half: bool, variant: str | None, chosen: str | None, tmp_path: Path) -> None:
    stem = "diffusion_pytorch_model"
    files = {"config.json": b"{}", f"{stem}.safetensors": weights(), f"{stem}.fp16.safetensors": weights(2)}
    net = write(tmp_path / "net", {**files, f"{stem}.bin": b"", "README.md": b""})
    found = model_folder("adapters.canny", parse(str(net)), half, variant)
    assert found.files == ("config.json", f"{stem}.{chosen}.safetensors" if chosen else f"{stem}.safetensors")
    assert (found.role, found.single, found.path, found.variant) == ("adapters.canny", False, net, chosen)


def test_one_model_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(weights())
    found = model_folder("adapters.canny", parse(str(tmp_path / "net.safetensors")), True)
    assert (found.single, found.path) == (True, tmp_path / "net.safetensors")


def test_a_pipeline_is_no_model_folder(sd: Path) -> None:
    with pytest.raises(SourceError, match=r"no config\.json; add one of"):
        model_folder("adapters.canny", parse(str(sd)), False)


def test_artifacts_are_had_by_role_and_in_order(sd: Path) -> None:
    found = resolve(spec(str(sd), loras={"a": "embedded:emoji/tcd_lora"}))
    assert isinstance(found, Artifacts)
    assert [artifact.role for artifact in found] == ["base", "loras.a"] == list(found.by_role)


def test_a_very_long_source_is_shown_short() -> None:
    (line,) = problems(spec("./" + "long" * 500))
    assert len(line) < 250
