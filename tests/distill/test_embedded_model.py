"""The commands that make the embedded model: what they begin with, and that a stopped training goes on."""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

pytest.importorskip("scripts.embedded_model", reason="the sdist holds no scripts")
pytest.importorskip("cv2")

from scripts.embedded_model import captions, export, images, latents, measure, teacher, tokens, vae
from tcdflow import embedded
from tcdflow.embedded import Vocabulary


@pytest.fixture(scope="module")
def icons(tmp_path_factory: pytest.TempPathFactory) -> images.Icons:
    """A grey square for each subject."""
    icon = np.zeros((len(captions.subjects()), images.SIZE, images.SIZE, 4), np.uint8)
    icon[:, 32:96, 32:96] = (100, 100, 100, 255)
    path = tmp_path_factory.mktemp("icons") / "icons.npz"
    np.savez(path, **dict.fromkeys(captions.STYLES, icon))  # type: ignore[arg-type]
    return images.Icons(path)


def view(colour: str | None, background: str) -> captions.View:
    return captions.View(captions.subjects()[0], "flat", colour, background)


def test_an_icon_takes_the_colour_and_stands_on_the_background(icons: images.Icons) -> None:
    made = icons.image(view("blue", "yellow"))
    assert made.shape == (images.SIZE, images.SIZE, 3)
    np.testing.assert_allclose(made[64, 64] * 255, captions.COLOURS["blue"], atol=2)
    np.testing.assert_allclose(made[2, 2] * 255, captions.BACKGROUNDS["yellow"], atol=0.1)
    plain = icons.image(view(None, "white"))
    np.testing.assert_allclose(plain[64, 64] * 255, 100, atol=0.1)


def test_more_views_begin_with_the_same() -> None:
    few, more = ([(v, rng.random()) for v, rng in islice(latents.views(each), 800)] for each in (1, 2))
    assert few == more[: len(few)]
    assert len(few) == 2 * len(captions.subjects())


def test_every_word_is_one_token_and_a_caption_fits() -> None:
    tokenizer, rng = tokens.tokenizer(), random.Random(0)
    assert all(len(tokenizer.tokenize(word)) == 1 for word in captions.words())
    longest = max((captions.draw(s, "flat", rng).caption(rng) for s in captions.subjects()), key=len)
    assert len(tokenizer(longest).input_ids) <= tokens.LENGTH


def test_the_vocabulary_reads_every_caption_as_what_it_says() -> None:
    words, rng = Vocabulary.parse(export.vocabulary()), random.Random(0)
    for subject in captions.subjects():
        for style in captions.STYLES:
            view = captions.draw(subject, style, rng)
            for text in (view.plain(), view.caption(rng)):
                read = words.read(text)
                found = (read.subjects, read.style or "shaded", read.colour, read.background or "white")
                assert found == ((subject.name,), style, view.colour, view.background), text
                assert read.as_trained, text
    assert words == embedded.vocabulary("icons")


def test_the_larger_vae_begins_as_the_smaller_one_enlarged() -> None:
    small, large = vae.begin(64), vae.begin(128)
    wanted = F.interpolate(torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(0)), size=(64, 64)) * 2 - 1
    with torch.no_grad():
        there = small.decode(small.encode(wanted).latent_dist.mean).sample
        full = large.encode(F.interpolate(wanted, size=(128, 128))).latent_dist.mean
        assert full.shape == (2, 4, 16, 16)
        made = F.interpolate(large.decode(full).sample, size=(64, 64), mode="area")
    assert F.mse_loss(made, there) < 0.5 * there.var()


@pytest.mark.parametrize("encoder", [True, False])
def test_the_decoder_alone_leaves_the_encoder(encoder: bool) -> None:
    model = vae.begin(64)
    error = vae.loss(model, torch.zeros(1, 3, 64, 64), torch.Generator().manual_seed(0), encoder=encoder)
    error.backward()  # type: ignore[no-untyped-call]
    assert any(weight.grad is not None for weight in model.encoder.parameters()) == encoder
    assert all(weight.grad is not None for weight in model.decoder.parameters())


class Brighter:
    """A VAE of nothing but an error of a tenth of the range."""

    config = SimpleNamespace(sample_size=64)

    def encode(self, pixels: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=pixels))

    def decode(self, latents: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.where(latents > 0, latents - 0.2, latents + 0.2))


def test_what_a_vae_loses_is_said_in_decibels(icons: images.Icons) -> None:
    assert vae.psnr(Brighter(), icons, 3) == pytest.approx(20, abs=1)


def test_the_rate_rises_holds_and_falls_to_nothing() -> None:
    training = teacher.Training(1000, rate=2.0, decay=100, warmup=10)
    assert [training.rate_at(step) for step in (0, 9, 500, 900, 950, 999)] == pytest.approx([0.2, 2, 2, 2, 1, 0.02])


class Stopped(teacher.Examples):
    """Examples whose second batch never comes."""

    def batch(self, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        if step == 1:
            raise KeyboardInterrupt
        return super().batch(step, size)


def test_a_stopped_training_goes_on_and_its_weights_make_a_pipeline(tmp_path: Path) -> None:
    rows = torch.randn(2 * len(captions.subjects()), 4, 16, 16, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "latents.npy", rows.half().numpy())
    training = teacher.Training(2, batch=2, warmup=1, decay=1, every=1)
    teacher.train(teacher.Examples(tmp_path / "latents.npy", 1), training, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        teacher.train(Stopped(tmp_path / "latents.npy", 1), training, tmp_path / "parts")
    teacher.train(teacher.Examples(tmp_path / "latents.npy", 1), training, tmp_path / "parts")
    whole, parts = (torch.load(tmp_path / name / "teacher.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)

    export.pipeline(tmp_path / "parts" / "teacher.pt", embedded.model_path("emoji") / "vae", tmp_path / "pipeline")
    made = measure.Model(tmp_path / "pipeline", None).images(["a fox"])
    assert made[0].shape == (64, 64, 3)
    assert np.isfinite(made[0]).all()


def test_a_lora_in_half_precision_keeps_what_its_file_says(tmp_path: Path) -> None:
    weights, said = {"a.lora_A.weight": torch.full((2, 2), 1 / 3)}, {"lora_adapter_metadata": '{"unet.r": 2}'}
    save_file(weights, tmp_path / "full.safetensors", said)
    export.lora(tmp_path / "full.safetensors", tmp_path / "there" / "half.safetensors")
    with safe_open(tmp_path / "there" / "half.safetensors", framework="pt") as file:
        assert file.metadata() == said
        assert torch.equal(file.get_tensor("a.lora_A.weight"), weights["a.lora_A.weight"].half())


def test_the_reference_has_its_prompts(icons: images.Icons, tmp_path: Path) -> None:
    export.reference(icons, 5, 2, tmp_path)
    prompts = (tmp_path / "prompts.txt").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in (tmp_path / "images" / "metadata.jsonl").open(encoding="utf-8")]
    assert [row["text"] for row in rows] == [*prompts, *prompts]
    assert len(set(prompts)) == 5
    assert {row["file_name"] for row in rows} == {path.name for path in (tmp_path / "images").glob("*.png")}


def test_training_images_measure_as_what_they_show() -> None:
    made = measure.pooled([np.full((64, 64, 3), 0.25), np.full((128, 128, 3), 0.25)])
    assert made.shape == (2, 16 * 16 * 3)
    assert (made == 0.25).all()
