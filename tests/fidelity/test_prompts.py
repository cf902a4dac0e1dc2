"""Prompts beyond diffusers' ``encode_prompt``: held against it, against its parts, and against published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from tcdflow import embedded
from tcdflow.cli import rerun
from tcdflow.config.compose import Composer
from tcdflow.engine.engine import Engine
from tcdflow.errors import ConfigError
from tcdflow.pipeline import embeddings
from tcdflow.prompts.tokens import Tokenizer
from tests.fidelity import scripts
from tests.fidelity.conftest import Run
from tests.fidelity.same import assert_same, equal
from tests.fidelity.test_warm_is_cold import differ, make
from tests.helpers import prepared
from tests.standins import Family, StandIns

WORDS = ["a", "red", "cat", "on", "the", "tiger", "bench", "in", "snow", "with", "dog", "and", "blue", "house", "park"]
LONG = " ".join(WORDS[number % len(WORDS)] for number in range(170))
NAMES = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
GUIDED = ("sampling.guidance_scale=3", "negative_prompt=orange snow")
BASES: dict[Family, str] = {"sd15": "sd15", "sd21": "sd21_base", "sdxl": "sdxl"}
FAMILIES: list[Family] = ["sd15", "sdxl"]

Pipes = Callable[[Family], Any]


@pytest.fixture(scope="module")
def pipes(standins: StandIns) -> Pipes:
    """Pipelines made by hand, each loaded once."""
    made: dict[Family, Any] = {}

    def pipe(family: Family) -> Any:
        if family not in made:
            cls = diffusers.StableDiffusionXLPipeline if family == "sdxl" else diffusers.StableDiffusionPipeline
            made[family] = scripts.load(cls, standins.base(family))
        return made[family]

    return pipe


def base(standins: StandIns, family: Family) -> list[str]:
    return [f"base={BASES[family]}", "base.size=64", f"base.source={standins.base(family)}", "loras=[]"]


def encoded(composer: Composer, pipe: Any, family: Family, *overrides: str) -> dict[str, Any]:
    """What our own encoding makes of a prompt, which is read in chunks unless the overrides say otherwise."""
    told = [f"base={BASES[family]}", "loras=[]", "prompt_encoding.long=chunk", *overrides]
    spec = composer.compose(told).spec
    with torch.no_grad():
        return spec.family.encode(pipe, spec, torch.device("cpu"), {})


def by_diffusers(pipe: Any, prompt: str, negative: str | None, **more: Any) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        found = pipe.encode_prompt(
            prompt,
            device="cpu",
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative,
            **more,
        )
    return {name: tensor for name, tensor in zip(NAMES, found, strict=False) if tensor is not None}


def assert_equal(ours: dict[str, Any], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


class TestTokens:
    @pytest.mark.parametrize("name", ["emoji", "sd15", "sd21", "sdxl"])
    def test_they_are_counted_as_transformers_does(self, name: str, standins: StandIns) -> None:
        folder = embedded.model_path("emoji") if name == "emoji" else standins.base(name)  # type: ignore[arg-type]
        for tokenizer in folder.glob("tokenizer*"):
            theirs, ours = CLIPTokenizer.from_pretrained(tokenizer), Tokenizer.read(tokenizer)
            assert ours is not None and ours.room == theirs.model_max_length - 2
            self._agree(ours, theirs)

    @staticmethod
    def _agree(ours: Tokenizer, theirs: Any) -> None:
        words = st.sampled_from(
            [*WORDS, "wow!!!", "It's", "naïve", "猫", "e\u0301", "12.5", "<|endoftext|>", "<|startoftext|>", "\t"]
        )

        @given(st.lists(words | st.text(max_size=4), max_size=12).map(" ".join) | st.text(max_size=30))
        def holds(text: str) -> None:
            starts = ours.starts(text)
            assert len(starts) == len(theirs(text, add_special_tokens=False).input_ids)
            assert starts == sorted(starts) and all(0 <= start < max(len(text), 1) for start in starts)

        holds()


class TestChunks:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("negative", ["snow, orange", None])
    def test_a_short_prompt_has_diffusers_bits(
        self, family: Family, negative: str | None, composer: Composer, pipes: Pipes
    ) -> None:
        told = ["sampling.guidance_scale=3", *([f"negative_prompt={negative}"] if negative else [])]
        ours = encoded(composer, pipes(family), family, "prompt=a red cat, snow", *told)
        assert_equal(ours, by_diffusers(pipes(family), "a red cat, snow", negative))

    @pytest.mark.parametrize("family", ["sd15", "sd21", "sdxl"])
    def test_a_long_prompt_is_its_parts_one_after_the_other(
        self, family: Family, composer: Composer, pipes: Pipes
    ) -> None:
        pipe, words = pipes(family), LONG.split()
        ours = encoded(composer, pipe, family, f"prompt={LONG}", *GUIDED)
        parts = [by_diffusers(pipe, " ".join(words[at : at + 75]), "orange snow") for at in (0, 75, 150)]
        empty = by_diffusers(pipe, "a", " ")["negative_prompt_embeds"]
        joined = torch.cat([part["prompt_embeds"] for part in parts], dim=1)
        negative = torch.cat([parts[0]["negative_prompt_embeds"], empty, empty], dim=1)
        pooled = {name: tensor for name, tensor in parts[0].items() if "pooled" in name}
        assert joined.shape[1] == 231
        assert_equal(ours, {"prompt_embeds": joined, "negative_prompt_embeds": negative} | pooled)

    def test_break_begins_a_chunk_and_skipped_layers_stay_skipped(self, composer: Composer, pipes: Pipes) -> None:
        pipe = pipes("sdxl")
        ours = encoded(composer, pipe, "sdxl", "prompt=a red cat BREAK snow", "sampling.clip_skip=1", *GUIDED)
        parts = [by_diffusers(pipe, text, "orange snow", clip_skip=1) for text in ("a red cat", "snow")]
        assert torch.equal(ours["prompt_embeds"], torch.cat([part["prompt_embeds"] for part in parts], dim=1))
        assert torch.equal(ours["negative_prompt_embeds"][:, :77], parts[0]["negative_prompt_embeds"])

    def test_the_image_is_that_of_these_embeddings(self, run: Run, standins: StandIns, pipes: Pipes) -> None:
        made = run(*base(standins, "sd15"), f"prompt={LONG}", *GUIDED, "prompt_encoding.long=chunk")
        pipe = pipes("sd15")
        pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
        words = LONG.split()
        parts = [by_diffusers(pipe, " ".join(words[at : at + 75]), "orange snow") for at in (0, 75, 150)]
        empty = by_diffusers(pipe, "a", " ")["negative_prompt_embeds"]
        embeds = {
            "prompt_embeds": torch.cat([part["prompt_embeds"] for part in parts], dim=1),
            "negative_prompt_embeds": torch.cat([parts[0]["negative_prompt_embeds"], empty, empty], dim=1),
        }
        assert_same(made.images[0], scripts.image(pipe, None, **embeds, guidance_scale=3))
        assert not any("is cut off" in warning for warning in made.record.warnings)
        cut = run(*base(standins, "sd15"), f"prompt={LONG}", *GUIDED)
        assert not equal(cut.images[0], made.images[0])
        (warning,) = (warning for warning in cut.record.warnings if "is cut off" in warning)
        rest = " ".join(words[75:])[:100]
        assert warning.startswith(f"prompt has 170 tokens and 75 are read: '{rest}")

    def test_prompts_of_other_lengths_share_no_call(self, composer: Composer, standins: StandIns) -> None:
        told = [*base(standins, "sd15"), "prompt_encoding.long=chunk", "sampling.steps=1", "runtime.device=cpu"]
        prompts = ["a red cat", LONG, f"{LONG} dog"]
        alone = [make(composer, Engine(), [*told, f"prompt={prompt}"]) for prompt in prompts[:2]]
        jobs = [prepared(composer.compose([*told, "runtime.batch_size=3", f"prompt={prompt}"])) for prompt in prompts]
        generated = Engine().run_together([job.spec for job in jobs], jobs[0].files)
        assert not differ(alone[0], generated[0].samples[0].frames)
        assert differ(generated[1].samples[0].frames, generated[2].samples[0].frames)


@pytest.mark.parametrize("family", FAMILIES)
class TestWeights:
    """On each text encoder by itself, the pooled embedding left alone."""

    def test_a1111(self, family: Family, composer: Composer, pipes: Pipes) -> None:
        """Multiply, then restore the mean."""
        pipe = pipes(family)
        told = ["prompt=a (red:1.4) [cat] snow", "prompt_encoding.weights=a1111", *GUIDED]
        ours = encoded(composer, pipe, family, *told)
        plain = by_diffusers(pipe, "a red cat snow", "orange snow")
        weights = torch.ones(77, 1)
        weights[2], weights[3] = 1.4, 1 / 1.1
        parts = []
        for states in self._by_encoder(family, plain["prompt_embeds"]):
            weighted = states * weights
            parts.append(weighted * (states.mean() / weighted.mean()))
        torch.testing.assert_close(ours["prompt_embeds"], torch.cat(parts, dim=-1), rtol=1e-5, atol=1e-6)
        assert_equal(ours | {"prompt_embeds": plain["prompt_embeds"]}, plain)

    def test_compel(self, family: Family, composer: Composer, pipes: Pipes) -> None:
        """``empty + w (state - empty)``, mixed with the prompt whose fragment is masked."""
        pipe = pipes(family)
        told = ["prompt=a red++ (cat snow)0.4 dog", "prompt_encoding.weights=compel", *GUIDED]
        ours = encoded(composer, pipe, family, *told)
        plain = by_diffusers(pipe, "a red cat snow dog", "orange snow")
        weights = torch.ones(77, 1)
        weights[2], weights[3:5] = 1.21, 0.4
        empty = by_diffusers(pipe, "", None)["prompt_embeds"]
        share = math.tan(0.6 * math.pi / 2)
        mixed = (
            (empty + (plain["prompt_embeds"] - empty) * weights)
            + share * (empty + (self._masked(pipe, family, "a red cat snow dog", slice(3, 5)) - empty) * weights)
        ) / (1 + share)
        torch.testing.assert_close(ours["prompt_embeds"], mixed, rtol=1e-5, atol=1e-6)
        assert_equal(ours | {"prompt_embeds": plain["prompt_embeds"]}, plain)

    def test_weights_of_one_change_no_bit(self, family: Family, composer: Composer, pipes: Pipes) -> None:
        plain = by_diffusers(pipes(family), "a red cat snow", "orange snow")
        for grammar, prompt in (("a1111", "a (red:1) cat snow"), ("compel", "a (red cat)1 snow")):
            told = [f"prompt={prompt}", f"prompt_encoding.weights={grammar}", "prompt_encoding.long=truncate", *GUIDED]
            assert_equal(encoded(composer, pipes(family), family, *told), plain)

    @staticmethod
    def _by_encoder(family: Family, states: torch.Tensor) -> list[torch.Tensor]:
        return [states[..., :32], states[..., 32:]] if family == "sdxl" else [states]

    @staticmethod
    def _masked(pipe: Any, family: Family, text: str, hidden: slice) -> torch.Tensor:
        encoders = [(pipe.tokenizer, pipe.text_encoder)]
        encoders += [(pipe.tokenizer_2, pipe.text_encoder_2)] if family == "sdxl" else []
        parts = []
        for tokenizer, model in encoders:
            tokens = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt")
            mask = torch.ones(1, 77, dtype=torch.long)
            mask[0, hidden] = 0
            with torch.no_grad():
                output = model(tokens.input_ids, attention_mask=mask, output_hidden_states=True)
            parts.append(output.hidden_states[-2] if family == "sdxl" else output.last_hidden_state)
        return torch.cat(parts, dim=-1)


def test_a_second_prompt(run: Run, standins: StandIns, pipes: Pipes) -> None:
    told = [
        *base(standins, "sdxl"),
        "prompt=a red cat",
        "prompt_2=snow",
        "sampling.guidance_scale=3",
        "sampling.steps=2",
    ]
    made = run(*told, "negative_prompt_2=dog").images[0]
    pipe = pipes("sdxl")
    pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
    call = {"guidance_scale": 3, "num_inference_steps": 2}
    by_hand = scripts.image(pipe, "a red cat", prompt_2="snow", negative_prompt="", negative_prompt_2="dog", **call)
    assert_same(made, by_hand)
    assert_same(run(*told, "negative_prompt_2=dog", "prompt_encoding.long=chunk").images[0], by_hand)
    assert not equal(made, run(*told).images[0])


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Embeddings in the forms that trainers write."""
    folder = tmp_path_factory.mktemp("embeddings")
    chance = torch.Generator().manual_seed(5)
    one, three, wide = (torch.randn(size, generator=chance) for size in ((32,), (3, 32), (3, 48)))
    files = {
        "a1111": {"emb_params": three},
        "diffusers": {"<toy>": one},
        "sdxl": {"clip_l": three, "clip_g": wide},
        "broken": {"clip_l": three, "clip_g": wide[:2]},
        "strange": {"a": one, "b": one.clone()},
    }
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in files}


class TestEmbeddings:
    def test_the_image_is_that_of_diffusers(
        self, run: Run, standins: StandIns, vectors: dict[str, Path], pipes: Pipes
    ) -> None:
        prompt = "a red easy on a <toy>, EASY"
        made = run(
            *base(standins, "sd15"),
            f"prompt={prompt}",
            f"embeddings.easy.source={vectors['a1111']}",
            f"embeddings.toy.source={vectors['diffusers']}",
            "embeddings.toy.token='<toy>'",
        )
        pipe = scripts.load(diffusers.StableDiffusionPipeline, standins.sd15)
        pipe.load_textual_inversion(str(vectors["diffusers"]))
        pipe.load_textual_inversion(load_file(vectors["a1111"])["emb_params"], token="easy")
        pipe.scheduler = diffusers.TCDScheduler.from_config(pipe.base_scheduler_config)
        assert_same(made.images[0], scripts.image(pipe, "a red easy on a <toy>, easy"))
        assert [file.role for file in made.record.lock if file.role.startswith("emb")] == [
            "embeddings.easy",
            "embeddings.toy",
        ]

    def test_both_text_encoders(self, composer: Composer, standins: StandIns, vectors: dict[str, Path]) -> None:
        pipe = scripts.load(diffusers.StableDiffusionXLPipeline, standins.base("sdxl"))
        told = [*base(standins, "sdxl"), "prompt=a style cat", f"embeddings.style.source={vectors['sdxl']}", *GUIDED]
        job = prepared(composer.compose(told))
        with torch.no_grad():
            found = embeddings.load(pipe, job.spec, job.files)
            ours = job.spec.family.encode(pipe, job.spec, torch.device("cpu"), found)
        pairs = [("clip_l", pipe.tokenizer, pipe.text_encoder), ("clip_g", pipe.tokenizer_2, pipe.text_encoder_2)]
        for name, tokenizer, model in pairs:
            pipe.load_textual_inversion(
                load_file(vectors["sdxl"])[name], token="style", tokenizer=tokenizer, text_encoder=model
            )
            # Else the highest number, which is that of a new token, passes for the end of the text.
            getattr(model, "text_model", model).eos_token_id = tokenizer.eos_token_id
        assert_equal(ours, by_diffusers(pipe, "a style cat", "orange snow"))

    def test_they_leave_nothing_behind(self, composer: Composer, standins: StandIns, vectors: dict[str, Path]) -> None:
        told = [*base(standins, "sd15"), "prompt=a red easy", "sampling.steps=1"]
        one = [*told, f"embeddings.easy.source={vectors['a1111']}"]
        other = [*told, f"embeddings.easy.source={vectors['diffusers']}"]
        cold = [make(composer, Engine(), run) for run in (told, one, other)]
        assert differ(cold[0], cold[1]) and differ(cold[1], cold[2])
        engine = Engine()
        for number in (1, 0, 2, 1, 0):
            assert not differ(make(composer, engine, (told, one, other)[number]), cold[number])
        assert engine.bases_loaded == 1

    @pytest.mark.parametrize(
        ("family", "file", "found"),
        [
            ("sd15", "sdxl", "is for bases with two text encoders (SDXL), and this base has 1"),
            ("sdxl", "a1111", "is for bases with one text encoder (SD 1.5, SD 2.1), and this base has 2"),
            ("sd21", "a1111", "'emb_params' of shape [3, 32], and this base has vectors of 48"),
            ("sdxl", "broken", "other numbers of vectors"),
            ("sd15", "strange", "holds no textual inversion embedding: its 2 tensors are e.g. a, b"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_loaded(
        self, family: Family, file: str, found: str, composer: Composer, standins: StandIns, vectors: dict[str, Path]
    ) -> None:
        told = [*base(standins, family), "prompt=a x", f"embeddings.x.source={vectors[file]}"]
        with pytest.raises(ConfigError) as caught:
            prepared(composer.compose(told))
        assert found in str(caught.value) and "embeddings.x.source" in str(caught.value)

    def test_all_of_it_is_made_again(self, run: Run, vectors: dict[str, Path], standins: StandIns) -> None:
        made = run(
            *base(standins, "sd15"),
            f"prompt=(easy:1.3) BREAK {LONG}",
            f"embeddings.easy.source={vectors['a1111']}",
            "prompt_encoding={long: chunk, weights: a1111}",
            "sampling.seed=random",
            *GUIDED,
        )
        assert rerun.main([str(made.directory), "--verify"]) == 0
