"""Metrics that need torch: equal to what transformers and torchmetrics say of the same images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from tcdflow.errors import ConfigError, RequestError, SourceError
from tcdflow.spec.metrics import Subject
from tcdflow.sweeps.scorers import Chosen, choose
from tests.standins.scorers import write_clip
from tests.standins.text import MAX_LENGTH

PROMPTS = ("a red cat", "a castle in the snow, " * 40, "")
SUBJECTS = [
    Subject(Image.effect_mandelbrot((48, 40), (-2, -1.5, 1, 1.5), 20 + n).convert("RGB"), prompt)
    for n, prompt in enumerate(PROMPTS)
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with random weights, with the files that the hub's have."""
    return write_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


def logits(folder: Path) -> tuple[list[float], float]:
    """Of each image and its own prompt, as transformers has them; and the model's scale."""
    model, tokenizer = CLIPModel.from_pretrained(folder).eval(), CLIPTokenizer.from_pretrained(folder)
    words = tokenizer(list(PROMPTS), padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    images = CLIPImageProcessor.from_pretrained(folder)(images=[one.image for one in SUBJECTS], return_tensors="pt")
    with torch.no_grad():
        return model(**words, **images).logits_per_image.diagonal().tolist(), float(model.logit_scale.exp())


def one(word: str) -> Chosen:
    (found,) = choose([word], lambda done, total: None)
    return found


def scored(chosen: Chosen, subjects: Sequence[Subject]) -> list[float]:
    return list(chosen.load()(subjects))


def test_clip_and_pickscore_are_transformers_own(made: Path) -> None:
    wanted, scale = logits(made)
    clip, pick = one(f"clip={made}"), one(f"pickscore={made}")
    assert scored(pick, SUBJECTS) == pytest.approx(wanted, abs=1e-4)
    assert scored(clip, SUBJECTS) == pytest.approx([max(0.0, 100 * each / scale) for each in wanted], abs=1e-3)
    assert len({round(each, 3) for each in wanted}) == 3
    assert (clip.column, pick.column, clip.source) == ("clip_tiny-clip", "pickscore_tiny-clip", str(made))
    assert {file.file for file in clip.files} >= {"config.json", "model.safetensors", "vocab.json", "merges.txt"}
    assert clip.identity != pick.identity


def test_each_image_has_its_number_whatever_it_is_measured_with(made: Path) -> None:
    pick = one(f"pickscore={made}")
    alone = [value for subject in SUBJECTS for value in scored(pick, [subject])]
    assert alone == pytest.approx(scored(pick, SUBJECTS), abs=1e-4)


def test_other_weights_are_another_scorer(made: Path, tmp_path: Path) -> None:
    before = one(f"clip={made}").identity
    model = CLIPModel.from_pretrained(made)
    torch.nn.init.normal_(model.visual_projection.weight)
    model.save_pretrained(made)
    assert one(f"clip={made}").identity != before


@pytest.mark.parametrize("wrong", ["layers", "kind", "code", "pickle", "tokenizer"])
def test_what_is_no_clip_is_told_and_runs_nothing(made: Path, tmp_path: Path, wrong: str) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    if wrong == "layers":
        config["vision_config"]["num_hidden_layers"] = 3
    elif wrong == "kind":
        config["model_type"] = "vit"
    elif wrong == "code":
        config["auto_map"] = {"AutoModel": "evil.Model"}
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    elif wrong == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    else:
        (folder / "vocab.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    told = {"layers": "its weights lack", "kind": "'vit', not 'clip'", "code": "auto_map", "pickle": "pickled weights"}
    with pytest.raises((SourceError, ConfigError), match=told.get(wrong, "no CLIP")) as raised:
        scored(one(f"clip={folder}"), SUBJECTS)
    assert "\n" not in str(raised.value) and not (tmp_path / "ran").exists()


def test_ssim_is_torchmetrics() -> None:
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    images = [Subject(a.image, "", b.image) for a in SUBJECTS for b in SUBJECTS]
    found = scored(one("ssim"), images)
    for subject, value in zip(images, found, strict=True):
        pair = [torch.from_numpy(np.array(each)).permute(2, 0, 1)[None] for each in (subject.image, subject.reference)]
        wanted = StructuralSimilarityIndexMeasure(data_range=255.0)(*[each.double() for each in pair])
        assert value == pytest.approx(float(wanted), abs=1e-4)
    assert found[0] == pytest.approx(1, abs=1e-6) and min(found) < 0.99
    with pytest.raises(RequestError, match="8 × 8 is smaller than its window"):
        scored(one("ssim"), [Subject(Image.new("RGB", (8, 8)), "", Image.new("RGB", (8, 8)))])


def test_psnr_is_torchmetrics() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio

    pair = Subject(SUBJECTS[0].image, "", SUBJECTS[1].image)
    own, other = (torch.from_numpy(np.array(each)).double() for each in (pair.image, pair.reference))
    wanted = peak_signal_noise_ratio(own, other, data_range=255.0)
    assert scored(one("psnr"), [pair]) == pytest.approx([float(wanted)])
    same = Subject(pair.image, "", pair.image)
    assert scored(one("psnr"), [same]) == pytest.approx([361.2], abs=0.1)
