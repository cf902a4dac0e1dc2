"""Which files of a repository are chosen, from its listing alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import SourceError
from tcdflow.files.layout import model_files, model_weights, pipeline_files, single_weights
from tcdflow.files.pickles import PICKLES

from .fakes import MODELS, needed, pipeline

CLASSES = {
    "scheduler": "DDIMScheduler",
    "tokenizer": "CLIPTokenizer",
    "feature_extractor": "CLIPImageProcessor",
    "text_encoder": "CLIPTextModel",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "safety_checker": "StableDiffusionSafetyChecker",
}
UNSAFE = ("safety_checker",)


@pytest.mark.parametrize(
    ("there", "half", "variant", "taken"),
    [
        (("", ".fp16"), False, "auto", None),
        (("", ".fp16"), True, "auto", "fp16"),
        (("",), False, "auto", None),
        (("",), True, "auto", None),
        ((".fp16",), False, "auto", "fp16"),
        ((".fp16",), True, "auto", "fp16"),
        (("", ".fp16"), True, None, None),
        (("", ".fp16"), False, None, None),
        (("", ".fp16"), False, "fp16", "fp16"),
        (("", ".ema", ".non_ema"), True, "auto", None),
        (("", ".ema", ".non_ema"), False, "ema", "ema"),
    ],
)
def test_the_variant(there: tuple[str, ...], half: bool, variant: str | None, taken: str | None) -> None:
    files, chosen = pipeline_files(pipeline(there), CLASSES, half=half, variant=variant, leave_out=UNSAFE)
    assert chosen == taken
    assert set(files) == needed(f".{taken}" if taken else "")


def test_a_variant_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match="no weights of variant 'fp16'; variant auto takes what there is"):
        pipeline_files(pipeline(("",)), CLASSES, half=True, variant="fp16")


def test_plain_weights_that_are_not_there_are_an_error() -> None:
    with pytest.raises(SourceError, match="unet/ has no plain weights"):
        pipeline_files(pipeline((".fp16",)), {"unet": CLASSES["unet"]}, half=False, variant=None)


def test_a_model_with_fp16_weights_only_is_loaded_although_others_have_plain_ones() -> None:
    listing = set(pipeline()) - {"vae/diffusion_pytorch_model.safetensors"}
    files, chosen = pipeline_files(listing, CLASSES, half=False, variant="auto", leave_out=UNSAFE)
    assert chosen == "fp16"
    assert "vae/diffusion_pytorch_model.fp16.safetensors" in files


def test_a_model_without_the_variant_falls_back_to_plain_weights() -> None:
    listing = set(pipeline()) - {"vae/diffusion_pytorch_model.fp16.safetensors"}
    files, chosen = pipeline_files(listing, CLASSES, half=True, variant="auto", leave_out=UNSAFE)
    assert chosen == "fp16"
    assert {"vae/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"} <= set(files)


def test_the_safety_checker_is_taken_when_asked_for() -> None:
    files, _ = pipeline_files(pipeline(), CLASSES, half=False, variant="auto")
    assert set(files) == needed(safety_checker=True)


@pytest.mark.parametrize("ending", PICKLES)
def test_pickles_alone_are_refused_by_name(ending: str) -> None:
    listing = {name.replace(".safetensors", ending) for name in pipeline(("",), pickles=False)}
    with pytest.raises(SourceError, match=rf"only pickled weights \(text_encoder/model\{ending}\)"):
        pipeline_files(listing, CLASSES, half=False, variant="auto")


def test_a_model_without_weights_is_an_error() -> None:
    listing = [name for name in pipeline(("",), pickles=False) if not name.startswith("vae/diff")]
    with pytest.raises(SourceError, match=r"vae/ has no \.safetensors weights"):
        pipeline_files(listing, CLASSES, half=False, variant="auto")


def shards(stem: str, count: int, mark: str = "", late: str = "") -> list[str]:
    return [f"unet/{stem}{mark}-{i + 1:05d}-of-{count:05d}{late}.safetensors" for i in range(count)]


STEM = "diffusion_pytorch_model"


@pytest.mark.parametrize(
    ("variant", "parts", "index"),
    [
        (None, shards(STEM, 3), f"unet/{STEM}.safetensors.index.json"),
        ("fp16", shards(STEM, 2, ".fp16"), f"unet/{STEM}.safetensors.index.fp16.json"),
        ("fp16", shards(STEM, 2, "", ".fp16"), f"unet/{STEM}.safetensors.fp16.index.json"),
        (None, shards("model", 12), "unet/model.safetensors.index.json"),
    ],
)
def test_shards_and_their_index_are_chosen_together(variant: str | None, parts: list[str], index: str) -> None:
    noise = [f"unet/{STEM}.bin.index.json", f"unet/{STEM}-00001-of-00002.bin", "unet/config.json"]
    chosen = model_weights([index, *reversed(parts), *noise], "unet", variant)
    assert (chosen.files, chosen.index) == (tuple(parts), index)


def test_the_index_of_a_variant_stays_out_of_plain_files_and_the_reverse() -> None:
    plain, half = f"{STEM}.safetensors.index.json", f"{STEM}.safetensors.index.fp16.json"
    listing = [
        "config.json",
        plain,
        half,
        f"{STEM}-00001-of-00001.safetensors",
        f"{STEM}.fp16-00001-of-00001.safetensors",
    ]
    assert model_files(listing, half=False, variant="auto")[0] == [
        "config.json",
        f"{STEM}-00001-of-00001.safetensors",
        plain,
    ]
    assert model_files(listing, half=True, variant="auto") == (
        ["config.json", f"{STEM}.fp16-00001-of-00001.safetensors", half],
        "fp16",
    )


def test_a_missing_shard_is_an_error() -> None:
    with pytest.raises(SourceError, match="in parts, of which 2 of 3 are there"):
        model_weights([f"unet/{STEM}.safetensors.index.json", *shards(STEM, 3)[1:]], "unet", None)


def test_one_file_or_shards_as_the_library_that_reads_them_would() -> None:
    diffusers = [f"unet/{STEM}.safetensors", f"unet/{STEM}.safetensors.index.json", *shards(STEM, 2)]
    assert model_weights(diffusers, "unet", None).files == tuple(shards(STEM, 2))
    transformers = ["unet/model.safetensors", "unet/model.safetensors.index.json", *shards("model", 2)]
    assert model_weights(transformers, "unet", None).files == ("unet/model.safetensors",)


def test_one_model_with_what_belongs_to_it() -> None:
    listing = ["config.json", "preprocessor_config.json", "model.safetensors", "pytorch_model.bin", "README.md",
               "tf_model.h5", "images/bird.png"]  # fmt: skip
    assert model_files(listing, half=False, variant="auto") == (
        ["config.json", "model.safetensors", "preprocessor_config.json"],
        None,
    )


def test_a_folder_that_is_no_model_points_at_those_that_are() -> None:
    with pytest.raises(SourceError, match=r"no config\.json; add one of models/a\.safetensors"):
        model_files(["README.md", "models/a.safetensors"], half=False, variant="auto")


@pytest.mark.parametrize(
    ("listing", "chosen"),
    [
        (["x.safetensors"], "x.safetensors"),
        (["x.safetensors", "x.bin", "unet/y.safetensors"], "x.safetensors"),
        (["x.safetensors", "pytorch_lora_weights.safetensors"], "pytorch_lora_weights.safetensors"),
    ],
)
def test_the_one_weight_file(listing: list[str], chosen: str) -> None:
    assert single_weights(listing) == chosen


@pytest.mark.parametrize(
    ("listing", "why"),
    [
        (["a.safetensors", "b.safetensors"], r"several weight files; add one of a\.safetensors, b\.safetensors"),
        (["pytorch_lora_weights.bin"], r"only pickled weights \(pytorch_lora_weights\.bin\)"),
        (["README.md"], r"no \.safetensors file$"),
        (["README.md", "sub/a.safetensors"], r"no \.safetensors file; add one of sub/a\.safetensors"),
    ],
)
def test_no_one_weight_file(listing: list[str], why: str) -> None:
    with pytest.raises(SourceError, match=why):
        single_weights(listing)


folders = st.sampled_from([*MODELS, "other", "tokenizer", ""])
leaves = st.sampled_from(
    ["config.json", "vocab.json", "x.py", "x.pkl", "model.bin", ".hidden.json", f"{STEM}.safetensors.index.json"]
    + [f"{stem}{v}.safetensors" for stem in (STEM, "model") for v in ("", ".fp16", ".ema", "-00001-of-00001")]
)
listings = st.sets(st.builds(lambda folder, leaf: f"{folder}/{leaf}" if folder else leaf, folders, leaves), max_size=40)


@given(listings, st.booleans(), st.sampled_from(["auto", "fp16", None]), st.sets(st.sampled_from(sorted(MODELS))))
def test_choices_are_of_the_listing_safe_and_independent_of_its_order(
    listing: set[str], half: bool, variant: str | None, leave_out: set[str]
) -> None:
    def choose(names: list[str]) -> tuple[list[str], str | None] | str:
        try:
            return pipeline_files(names, CLASSES, half=half, variant=variant, leave_out=leave_out)
        except SourceError as error:
            return str(error)

    result = choose(sorted(listing))
    assert result == choose(sorted(listing, reverse=True))
    if isinstance(result, str):
        assert "\n" not in result
        return
    files, chosen = result
    assert files == sorted(set(files))
    assert set(files) <= listing | {"model_index.json"}
    assert not any(name.endswith((*PICKLES, ".py")) for name in files)
    assert not any(name.split("/")[0] in leave_out for name in files)
    for model in set(MODELS) - leave_out:
        marks = {name.partition(".")[2] for name in files if name.startswith(f"{model}/") and "config" not in name}
        assert any(mark.endswith("safetensors") for mark in marks), "every model has weights"
        assert not any("ema" in mark for mark in marks)
        assert chosen or not any("fp16" in mark for mark in marks)
